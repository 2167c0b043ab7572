import { execFileSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { certificatesIn, costlyCertificates, costlyToParse } from "./costly-certificate.ts";

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

test("names and name constraints, which are compared each with each, have a bound", () => {
  const constrained = (names: number, constraints: number) => {
    const list = (count: number, one: string) => Array(count).fill(one).join();
    return [
      curve("P-256", "-addext", `subjectAltName=${list(names, "DNS:a")}`),
      curve("P-256", "-addext", `nameConstraints=${list(constraints, "excluded;DNS:b")}`),
    ];
  };
  const reasonOf = (shown: Buffer[]) => costlyCertificates(message(true, shown), true);
  expect(reasonOf(constrained(1_000, 50))).toBeUndefined();
  expect(reasonOf(constrained(1_000, 200))).toContain("name constraints");
  // A company's CA for its domains, and its keys, which are not compared.
  expect(reasonOf([RSA, RSA, RSA, ...constrained(5, 1_000)])).toBeUndefined();
  const addresses = "/emailAddress=a".repeat(300);
  const [, authority] = constrained(1, 200);
  expect(reasonOf([curve("P-256", "-subj", addresses), authority!])).toContain("name constraints");
});

test("a modulus has a bound", () => {
  const der = (tag: number, ...parts: Buffer[]) => {
    const body = Buffer.concat(parts);
    return Buffer.concat([Buffer.from([tag, 0x82]), sized(body.length, 2), body]);
  };
  const [sequence, integer, bits] = [0x30, 2, 3];
  const empty = der(sequence);
  const withModulus = (bytes: number) => {
    const key = der(sequence, der(integer, Buffer.alloc(bytes, 1)), der(integer, sized(65_537, 3)));
    const algorithm = der(sequence, der(6, Buffer.from("2a864886f70d010101", "hex")));
    const info = der(sequence, algorithm, der(bits, Buffer.alloc(1), key));
    const signed = [der(integer, Buffer.alloc(1)), empty, empty, empty, empty, info];
    return costlyCertificates(message(true, [der(sequence, der(sequence, ...signed))]), true);
  };
  expect(withModulus(1_025)).toBeUndefined();
  expect(withModulus(1_026)).toBe("a certificate: its key has over 8192 bits");
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

/** Encodes DER again, with the sizes of object identifiers in their long form. */
function longForm(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [tag = 0, short = 0] = bytes.subarray(at);
    const start = at + 2 + (short < 0x80 ? 0 : short - 0x80);
    const size = short < 0x80 ? short : bytes.readUIntBE(at + 2, short - 0x80);
    at = start + size;
    const given = bytes.subarray(start, at);
    const body = (tag & 0x20) === 0 ? given : longForm(given);
    const long = body.length < 0x80 ? [0x81, body.length] : [0x82, body.length >> 8, body.length];
    parts.push(
      Buffer.from([tag, ...(tag === 6 || body.length >= 0x80 ? long : [body.length])]),
      body,
    );
  }
  return Buffer.concat(parts);
}

test("a curve that is written out is found however it is written", () => {
  const written = "the curve of a key is written out: name one";
  const args = ["ecparam", "-name", "P-256", "-param_enc", "explicit", "-genkey", "-noout"];
  const sec1 = execFileSync("openssl", args);
  const pkcs8 = execFileSync("openssl", ["pkcs8", "-topk8", "-nocrypt"], { input: sec1 });
  const keys = [sec1, pkcs8].map((pem) =>
    Buffer.from(String(pem).replaceAll(/-----[^-]+-----/g, ""), "base64"),
  );
  const own = curve("P-256", "-pkeyopt", "ec_param_enc:explicit");
  for (const der of [own, ...keys]) {
    expect([costlyToParse(der), costlyToParse(longForm(der))]).toEqual([written, written]);
  }
  const read = [new X509Certificate(longForm(own)).publicKey];
  for (const [at, type] of (["sec1", "pkcs8"] as const).entries()) {
    read.push(createPrivateKey({ key: longForm(keys[at]!), format: "der", type }));
  }
  expect(read.map(({ asymmetricKeyType }) => asymmetricKeyType)).toEqual(["ec", "ec", "ec"]);
});

test("what OpenSSL reads otherwise than it is looked at is refused", () => {
  const pem = Buffer.from(new X509Certificate(P256).toString());
  expect(new X509Certificate(pem).raw).toEqual(P256);
  expect(certificatesIn(`${pem}\n${pem}`)).toEqual([P256, P256]);
  expect([P256, RSA, P521].map(costlyToParse)).toEqual([undefined, undefined, undefined]);
  expect(costlyToParse(pem)).toBe("it has PEM inside");
  const inside = Buffer.concat([P256, pem]);
  expect(costlyToParse(inside)).toBe("it has PEM inside");
  expect(costlyCertificates(message(true, [inside]), true)).toBe(
    "a certificate: it has PEM inside",
  );
  // A string in parts, whose tag is in long form.
  const long = Buffer.from("300d0201003f048300000404020100", "hex");
  expect(costlyToParse(long)).toBe("it is not DER");
  const parts = Buffer.from("300b02010024060402010004 00".replace(" ", ""), "hex");
  expect(costlyToParse(parts)).toBe("it is not DER");
  expect(costlyToParse(P256.subarray(0, -9))).toBe("it is not DER");
});
