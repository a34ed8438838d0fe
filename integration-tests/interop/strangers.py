"""Does with Python's sd-jwt, jwcrypto and jsonschema what a JSON list of requests on standard input asks.

Answers with a JSON list. The libraries do the work; this file only passes values. A refusal by a library is an answer: {"refused": "..."}.
"""

import functools
import json
import sys

import jsonschema
import sd_jwt.holder
import sd_jwt.verifier
from jwcrypto import jwk, jws
from sd_jwt.common import SDObj
from sd_jwt.holder import SDJWTHolder
from sd_jwt.issuer import SDJWTIssuer
from sd_jwt.verifier import SDJWTVerifier

# The constructors have no argument for the algorithm of the key binding; this is their default.
sd_jwt.verifier.DEFAULT_SIGNING_ALG = "EdDSA"
sd_jwt.holder.DEFAULT_SIGNING_ALG = "EdDSA"


def key(value):
    return jwk.JWK.from_json(json.dumps(value))


def jws_verify(request):
    token = jws.JWS()
    token.deserialize(request["text"], key(request["key"]))
    return {"header": token.jose_header, "claims": json.loads(token.payload)}


def jws_sign(request):
    token = jws.JWS(json.dumps(request["claims"], ensure_ascii=False).encode())
    token.add_signature(key(request["key"]), alg="EdDSA", protected=json.dumps(request["header"]))
    return {"text": token.serialize(compact=True)}


def sd_jwt_verify(request):
    verifier = SDJWTVerifier(
        request["text"],
        lambda _issuer, _header: key(request["key"]),
        request.get("aud"),
        request.get("nonce"),
    )
    return {"claims": verifier.get_verified_payload()}


def sd_jwt_issue(request):
    claims = dict(request["claims"])
    conceal = set(request["conceal"])
    claims["fields"] = {
        SDObj(name) if name in conceal else name: value for name, value in claims["fields"].items()
    }
    # The library writes this itself.
    claims.pop("_sd_alg", None)
    issuer = SDJWTIssuer(
        claims,
        key(request["key"]),
        sign_alg="EdDSA",
        # The library would put decoys into every object; records have digests in "fields" only.
        add_decoy_claims=False,
        extra_header_parameters=request["header"],
    )
    return {"text": issuer.sd_jwt_issuance}


def sd_jwt_present(request):
    holder = SDJWTHolder(request["text"])
    holder.create_presentation(
        {"fields": {name: True for name in request["keep"]}},
        request.get("nonce"),
        request.get("aud"),
        key(request["holder"]) if "holder" in request else None,
        sign_alg="EdDSA",
    )
    return {"text": holder.sd_jwt_presentation}


@functools.lru_cache
def validator(schema):
    schema = json.loads(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def schema_check(request):
    error = next(validator(json.dumps(request["schema"])).iter_errors(request["value"]), None)
    return {"valid": True} if error is None else {"refused": error.message}


ACTIONS = {
    "jws_verify": jws_verify,
    "jws_sign": jws_sign,
    "sd_jwt_verify": sd_jwt_verify,
    "sd_jwt_issue": sd_jwt_issue,
    "sd_jwt_present": sd_jwt_present,
    "schema_check": schema_check,
}


def answer(request):
    try:
        return ACTIONS[request["do"]](request)
    except Exception as error:  # whatever a library raises is its refusal
        return {"refused": f"{type(error).__name__}: {error}"}


json.dump([answer(request) for request in json.load(sys.stdin)], sys.stdout)
