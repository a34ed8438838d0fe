"""Refreshes from a repository folder with python-tuf and prints the targets asked for.

usage: client.py REPOSITORY FIRST_ROOT WORK UNIX_TIME TARGET...

Prints one line of JSON: versions of the four roles, and each target's text. Exit code 1 and the exception's name on
standard error when python-tuf refuses.
"""

import datetime
import json
import os
import sys

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater
from tuf.ngclient._internal import trusted_metadata_set


class FolderFetcher(FetcherInterface):
    """Reads folder:///metadata/... and folder:///targets/... from the repository."""

    def __init__(self, repository):
        self.repository = repository

    def _fetch(self, url):
        path = os.path.join(self.repository, url.removeprefix("folder:///"))
        if not os.path.isfile(path):
            raise DownloadHTTPError(f"{path} is missing", 404)
        with open(path, "rb") as file:
            yield file.read()


def main():
    repository, first_root, work, unix_time, *targets = sys.argv[1:]
    fixed = datetime.datetime.fromtimestamp(int(unix_time), datetime.timezone.utc)

    class FixedTime(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return fixed

    # python-tuf takes the time itself; the test stands at a fixed one.
    trusted_metadata_set.datetime.datetime = FixedTime
    with open(first_root, "rb") as file:
        root = file.read()
    updater = Updater(
        metadata_dir=os.path.join(work, "metadata"),
        metadata_base_url="folder:///metadata/",
        target_dir=os.path.join(work, "targets"),
        target_base_url="folder:///targets/",
        fetcher=FolderFetcher(repository),
        bootstrap=root,
    )
    updater.refresh()
    trusted = updater._trusted_set
    result = {role: getattr(trusted, role).version for role in ("root", "timestamp", "snapshot", "targets")}
    texts = {}
    for place, target in enumerate(targets):
        info = updater.get_targetinfo(target)
        if info is None:
            texts[target] = None
            continue
        path = updater.download_target(info, os.path.join(work, "targets", str(place)))
        with open(path, encoding="utf-8") as file:
            texts[target] = file.read()
    result["texts"] = texts
    print(json.dumps(result))


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # the test wants the name of whatever went wrong
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
