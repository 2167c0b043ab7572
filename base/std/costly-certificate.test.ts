import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { costlyCertificates, hasOwnCurve } from "./costly-certificate.ts";

function certificate(...key: string[]): Buffer {
  const made = ["-nodes", "-subj", "/CN=x", "-keyout", "/dev/null", "-newkey", ...key];
  const pem = execFileSync("openssl", ["req", "-x509", ...made], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  return new X509Certificate(pem).raw;
}

const curve = (name: string, ...more: string[]) =>
  certificate("ec", "-pkeyopt", `ec_paramgen_curve:${name}`, ...more);

const sized = (value: number, bytes: number) => {
  const size = Buffer.alloc(bytes);
  size.writeUIntBE(value, 0, bytes);
  return size;
};

/** TLS's message Certificate. */
function message(isTls13: boolean, certificates: readonly Buffer[]): Buffer {
  const end = isTls13 ? [sized(0, 2)] : [];
  const list = certificates.flatMap((one) => [sized(one.length, 3), one, ...end]);
  const listed = Buffer.concat(list);
  const body = [...(isTls13 ? [sized(0, 1)] : []), sized(listed.length, 3), listed];
  return Buffer.concat([sized(11, 1), sized(Buffer.concat(body).length, 3), ...body]);
}

const P256 = curve("P-256");
const P521 = curve("P-521");
const RSA = certificate("rsa:2048");

test.for([false, true])("usual certificates are not costly, of TLS 1.3: %s", (isTls13) => {
  const usual = [[], [P256], [RSA, RSA, RSA], [P521, P521], [certificate("ed25519")]];
  for (const shown of usual) {
    expect(costlyCertificates(message(isTls13, shown), isTls13)).toBeUndefined();
  }
});

test("each costly one has its reason", () => {
  const reasonOf = (...shown: Buffer[]) => costlyCertificates(message(true, shown), true);
  const ownCurve = curve("P-256", "-pkeyopt", "ec_param_enc:explicit");
  expect(hasOwnCurve(ownCurve)).toBe(true);
  expect(hasOwnCurve(P256)).toBe(false);
  const unknown = "a certificate: its curve is none of P-256, P-384 and P-521";
  expect(reasonOf(P256, ownCurve)).toBe(unknown);
  expect(reasonOf(curve("sect571r1"))).toBe(unknown);
  expect(reasonOf(certificate("ed448"))).toBe(
    "a certificate: its key is none of RSA, ECDSA and Ed25519",
  );
  const exponent = certificate("rsa:2048", "-pkeyopt", "rsa_keygen_pubexp:36893488147419103233");
  expect(reasonOf(exponent)).toBe("a certificate: its key's public exponent is large");
  const many = "certificates whose signatures take too long together";
  expect(reasonOf(P521, P521, P521, P521)).toBe(many);
  expect(reasonOf(...Array(13).fill(P256))).toBe(many);
  expect(reasonOf(Buffer.alloc(40_000))).toBe("certificates of more than 32768 bytes");
});

test("any bytes have an answer", () => {
  const whole = message(true, [P256, RSA]);
  for (let at = 4; at < whole.length; at++) {
    const changed = Buffer.from(whole);
    changed[at]! ^= 0xff;
    costlyCertificates(changed, true);
    costlyCertificates(whole.subarray(0, at), true);
  }
  expect(costlyCertificates(whole.subarray(0, -9), true)).toBe("certificates that are not DER");
});
