// Does with Node's @sd-jwt/core and jose what a JSON list of requests on standard input asks, and answers in JSON.
// The libraries do the work; this file only passes values. A refusal by a library is an answer: {"refused": "..."}.

import { createHash, createPrivateKey, createPublicKey, randomBytes, sign, verify } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// The libraries stand in the folder of tools, not beside this file.
const require = createRequire(`${process.env.CHENGXIN_NODE}/package.json`);
const load = async (name) => {
  const module = await import(pathToFileURL(require.resolve(name)).href);
  return module.default ?? module;
};
const { CompactSign, compactVerify, importJWK } = await load('jose');
const { SDJwtInstance } = await load('@sd-jwt/core');

const hasher = (data, _algorithm) =>
  createHash('sha256').update(typeof data === 'string' ? data : Buffer.from(data)).digest();
const signer = (jwk) => (data) =>
  sign(null, Buffer.from(data), createPrivateKey({ key: jwk, format: 'jwk' })).toString('base64url');
const verifier = (jwk) => (data, signature) =>
  verify(null, Buffer.from(data), createPublicKey({ key: jwk, format: 'jwk' }), Buffer.from(signature, 'base64url'));

const instance = (request) =>
  new SDJwtInstance({
    hasher,
    hashAlg: 'sha-256',
    saltGenerator: (length) => randomBytes(length).toString('base64url'),
    signAlg: 'EdDSA',
    signer: request.key?.d && signer(request.key),
    verifier: request.key && verifier(request.key),
    kbSignAlg: 'EdDSA',
    kbSigner: request.holder && signer(request.holder),
    kbVerifier: (data, signature, payload) => verifier(payload.cnf.jwk)(data, signature),
  });

const actions = {
  async jws_verify({ text, key }) {
    const { payload, protectedHeader } = await compactVerify(text, await importJWK(key, 'EdDSA'));
    return { header: protectedHeader, claims: JSON.parse(new TextDecoder().decode(payload)) };
  },
  async jws_sign({ claims, header, key }) {
    const payload = new TextEncoder().encode(JSON.stringify(claims));
    return { text: await new CompactSign(payload).setProtectedHeader(header).sign(await importJWK(key, 'EdDSA')) };
  },
  async sd_jwt_verify(request) {
    const options = { currentDate: request.now };
    if (request.nonce) options.keyBindingNonce = request.nonce;
    const { payload, kb } = await instance(request).verify(request.text, options);
    if (request.aud && kb?.payload.aud !== request.aud) throw new Error('another audience');
    return { claims: payload };
  },
  async sd_jwt_issue(request) {
    const frame = { fields: { _sd: request.conceal, _sd_decoy: 3 } };
    return { text: await instance(request).issue(request.claims, frame, { header: request.header }) };
  },
  async sd_jwt_present(request) {
    const frame = { fields: Object.fromEntries(request.keep.map((name) => [name, true])) };
    const kb = request.holder && { payload: { iat: request.now, aud: request.aud, nonce: request.nonce } };
    return { text: await instance(request).present(request.text, frame, kb && { kb }) };
  },
};

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const answers = [];
for (const request of JSON.parse(Buffer.concat(chunks).toString('utf8'))) {
  try {
    answers.push(await actions[request.do](request));
  } catch (error) {
    answers.push({ refused: `${error?.name}: ${error?.message}` });
  }
}
process.stdout.write(JSON.stringify(answers));
