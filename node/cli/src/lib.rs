//! The command line: grammar, output formats, languages and the client of the local socket.
