"""Fetch a service's credentials as a program of a service does: have KMS encrypt
when the token is valid, bound to who sends it and whom it is for, and send it as
the password of HTTP Basic credentials.

Usage: fetch.py BASE_URL SERVICE SERVER_NAME KEY KMS_URL
"""

import base64
import datetime
import json
import sys
import urllib.request

import boto3


def token(kms, key, service, server):
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp = "%Y%m%dT%H%M%SZ"
    payload = {
        "not_before": (now - datetime.timedelta(minutes=3)).strftime(stamp),
        "not_after": (now + datetime.timedelta(minutes=7)).strftime(stamp),
    }
    sealed = kms.encrypt(
        KeyId=key,
        Plaintext=json.dumps(payload),
        EncryptionContext={"from": service, "to": server, "user_type": "service"},
    )
    return base64.b64encode(sealed["CiphertextBlob"]).decode()


def main(base, service, server, key, kms_url):
    kms = boto3.client("kms", endpoint_url=kms_url)
    proof = "2/service/%s:%s" % (service, token(kms, key, service, server))
    request = urllib.request.Request(
        "%s/v1/services/%s?metadata_only=False" % (base, service),
        headers={"Authorization": "Basic " + base64.b64encode(proof.encode()).decode()},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        for credential in json.load(answer)["credentials"]:
            for name, value in sorted(credential["credential_pairs"].items()):
                print("%s=%s" % (name, value))


if __name__ == "__main__":
    main(*sys.argv[1:])
