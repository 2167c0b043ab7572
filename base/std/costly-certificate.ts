/** RSA: the largest modulus, as in Go's TLS (CVE-2023-29409), and the largest public exponent. */
const RSA_BITS_MAX = 8_192;
const RSA_EXPONENT_BYTES_MAX = 4;
/** Work with the keys of one handshake, in that of a signature by P-256: a server may show a root. */
const WORK_MAX = 12;
const SHOWN_BYTES_MAX = 32_768;
/** Bytes of name constraints times bytes of names, which are compared each with each. */
const CONSTRAINED_MAX = 1_500_000;

const [SEQUENCE, INTEGER, BIT_STRING, OBJECT_ID, VERSION] = [0x30, 2, 3, 6, 0xa0];
const EXTENSIONS = 0xa3;
const hex = (text: string) => Buffer.from(text, "hex");
/** Kinds of keys whose moduli have a bound: rsaEncryption, id-RSASSA-PSS. */
const RSA = [hex("2a864886f70d010101"), hex("2a864886f70d01010a")];
const EC = hex("2a8648ce3d0201");
const ED25519 = hex("2b6570");
/** P-256, P-384 and P-521. */
const CURVES = [
  { id: hex("2a8648ce3d030107"), work: 1 },
  { id: hex("2b81040022"), work: 2 },
  { id: hex("2b81040023"), work: 4 },
];
/** The kinds of fields of a curve that is written out: prime-field, characteristic-two-field. */
const FIELDS = [hex("2a8648ce3d0101"), hex("2a8648ce3d0102")];
const [ALTERNATIVE_NAMES, NAME_CONSTRAINTS] = [hex("551d11"), hex("551d1e")];
/** A string of bytes in parts. */
const PARTS = 0x24;
const PEM = "-----BEGIN";
const CERTIFICATE = /-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g;

type Element = { readonly tag: number; readonly body: Buffer; readonly rest: Buffer };

/** Reads the first element. Throws for what is not DER: OpenSSL reads more than that. */
function element(bytes: Buffer, tag?: number): Element {
  const [first = -1, short = -1] = bytes;
  // A tag in long form, which DER has for tags above 30 alone: none is in a certificate or key.
  if ((first & 0x1f) === 0x1f) throw NOT_DER;
  const sizeBytes = short < 0x80 ? 0 : short - 0x80;
  if (short < 0 || sizeBytes > 3 || short === 0x80 || bytes.length < 2 + sizeBytes) throw NOT_DER;
  const start = 2 + sizeBytes;
  const size = sizeBytes === 0 ? short : bytes.readUIntBE(2, sizeBytes);
  if ((tag !== undefined && first !== tag) || bytes.length < start + size) throw NOT_DER;
  return {
    tag: first,
    body: bytes.subarray(start, start + size),
    rest: bytes.subarray(start + size),
  };
}

const NOT_DER = new RangeError("not DER");

/**
 * Returns why a key or certificate is not given to OpenSSL; undefined when it may be. A curve that
 * is written out rather than named costs a square root modulo the sender's prime, 0.1 s, to parse,
 * and 551 bytes have two. Node's X509Certificate looks for PEM in what it is given before it takes
 * it for DER, and parts of a string (BER) divide what is looked for.
 */
export function costlyToParse(der: Buffer): string | undefined {
  if (FIELDS.some((field) => der.includes(field))) {
    return "the curve of a key is written out: name one";
  }
  if (der.includes(PEM)) return "it has PEM inside";
  try {
    for (let { body } = element(der, SEQUENCE); body.length > 0; body = element(body).rest) {
      if (element(body).tag === PARTS) throw NOT_DER;
    }
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    return "it is not DER";
  }
}

/** The certificates, in DER, of a text of PEM; blocks of other labels are passed over, as by Go. */
export const certificatesIn = (pem: string) =>
  [...pem.matchAll(CERTIFICATE)].map(([, body]) => Buffer.from(body!, "base64"));

/** Returns a certificate's subject, its key, and what follows it. */
function partsOf(certificate: Buffer) {
  let { body } = element(element(certificate, SEQUENCE).body, SEQUENCE);
  if (element(body).tag === VERSION) body = element(body).rest;
  body = element(body, INTEGER).rest;
  // The signature's algorithm, the issuer, the validity.
  for (let skipped = 0; skipped < 3; skipped++) body = element(body, SEQUENCE).rest;
  const subject = element(body, SEQUENCE);
  const { body: key, rest } = element(subject.rest, SEQUENCE);
  return { subject: subject.body, key, rest };
}

/** Returns the size of an extension in what follows a certificate's key. */
function extensionBytes(afterKey: Buffer, id: Buffer): number {
  let bytes = 0;
  for (let rest = afterKey; rest.length > 0; rest = element(rest).rest) {
    if (element(rest).tag !== EXTENSIONS) continue;
    const extensions = element(element(rest).body, SEQUENCE).body;
    for (let left = extensions; left.length > 0; left = element(left).rest) {
      const { body } = element(left);
      if (element(body, OBJECT_ID).body.equals(id)) bytes += body.length;
    }
  }
  return bytes;
}

/** Returns the work with a certificate's key, or why it is refused. */
function workWith(info: Buffer): number | string {
  const algorithm = element(info, SEQUENCE);
  const kind = element(algorithm.body, OBJECT_ID);
  if (kind.body.equals(ED25519)) return 1;
  if (kind.body.equals(EC)) {
    const curve = element(kind.rest).body;
    const known = CURVES.find(({ id }) => id.equals(curve));
    return known?.work ?? "its curve is none of P-256, P-384 and P-521";
  }
  if (!RSA.some((id) => id.equals(kind.body))) return "its key is none of RSA, ECDSA and Ed25519";
  const key = element(element(algorithm.rest, BIT_STRING).body.subarray(1), SEQUENCE).body;
  const modulus = element(key, INTEGER);
  const exponent = element(modulus.rest, INTEGER);
  // Of an even number of bits, with a zero in front.
  if (modulus.body.length > RSA_BITS_MAX / 8 + 1) return `its key has over ${RSA_BITS_MAX} bits`;
  if (exponent.body.length > RSA_EXPONENT_BYTES_MAX) return "its key's public exponent is large";
  return modulus.body.length > RSA_BITS_MAX / 16 + 1 ? 3 : 1;
}

/**
 * Returns why the certificates of TLS's message Certificate (RFC 5246, 7.4.2; RFC 8446, 4.4.2),
 * with its header, are too costly to be parsed and verified; undefined when they are not.
 */
export function costlyCertificates(message: Buffer, isTls13: boolean): string | undefined {
  if (message.length > SHOWN_BYTES_MAX) return `certificates of more than ${SHOWN_BYTES_MAX} bytes`;
  try {
    let [work, names, constraints] = [0, 0, 0];
    let at = isTls13 ? 4 + 1 + message.readUInt8(4) + 3 : 4 + 3;
    while (at < message.length) {
      const end = at + 3 + message.readUIntBE(at, 3);
      const certificate = message.subarray(at + 3, end);
      if (certificate.includes(PEM)) return "a certificate: it has PEM inside";
      const { subject, key, rest } = partsOf(certificate);
      const needed = workWith(key);
      if (typeof needed === "string") return `a certificate: ${needed}`;
      work += needed;
      if (work > WORK_MAX) return "certificates whose signatures take too long together";
      names += subject.length + extensionBytes(rest, ALTERNATIVE_NAMES);
      constraints += extensionBytes(rest, NAME_CONSTRAINTS);
      at = isTls13 ? end + 2 + message.readUInt16BE(end) : end;
    }
    const isCostly = constraints * names > CONSTRAINED_MAX;
    return isCostly ? "certificates with many names and name constraints" : undefined;
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    return "certificates that are not DER";
  }
}
