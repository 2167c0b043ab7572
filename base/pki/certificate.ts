import "reflect-metadata";
import { createPrivateKey, createPublicKey, webcrypto, X509Certificate } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import * as x509 from "@peculiar/x509";
import { MS_PER_DAY } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { BACKDATE_MS } from "./removed-nodes.ts";
import { subjectOf } from "./subject.ts";

/** A certificate and its private key, as PEM texts (PKCS #8). */
export type KeyPair = { readonly cert: string; readonly key: string };

export type Usage = "server" | "client";

export interface CertificateRequest {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly usages: readonly Usage[];
  /** Days from `now` until it expires. */
  readonly days: number;
}

/** Length of a PEM signing request: its parser takes microseconds for each part of an identifier. */
const REQUEST_CHARACTERS_MAX = 32_768;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

x509.cryptoProvider.set(webcrypto as never);

const USAGE_OIDS: Record<Usage, string> = {
  server: x509.ExtendedKeyUsage.serverAuth,
  client: x509.ExtendedKeyUsage.clientAuth,
};

interface SelfSigned extends Omit<CertificateRequest, "commonName" | "usages"> {
  /** Left out where it is empty. */
  readonly commonName: string;
  /** Allowed uses of the certificate itself, beside signing. */
  readonly usages?: readonly Usage[];
  readonly now_ms: number;
}

/** A self-signed CA (RFC 5280: basicConstraints CA, keyCertSign). ECDSA P-256. */
export async function createCa(options: SelfSigned): Promise<KeyPair> {
  const { organizations = [], dnsNames = [], ipAddresses = [], usages = [] } = options;
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: subjectName(options.commonName, organizations),
    notBefore: new Date(options.now_ms - BACKDATE_MS),
    notAfter: new Date(options.now_ms + options.days * MS_PER_DAY),
    keys: keys as never,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign |
          x509.KeyUsageFlags.cRLSign |
          x509.KeyUsageFlags.digitalSignature,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey as never),
      ...usageExtensions(usages),
      ...nameExtensions(alternativeNames(dnsNames, ipAddresses)),
    ],
  });
  return { cert: `${cert.toString("pem")}\n`, key: await exportKey(keys.privateKey) };
}

/** A new key and a certificate for it, signed by `ca`. */
export async function issueCertificate(
  ca: KeyPair,
  request: CertificateRequest,
  now_ms: number,
): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const name = subjectName(request.commonName, request.organizations ?? []);
  const cert = await sign(ca, { ...request, name, publicKey: keys.publicKey, now_ms });
  return { cert, key: await exportKey(keys.privateKey) };
}

export type Subject = Pick<CertificateRequest, "commonName" | "organizations">;

/**
 * Issues a certificate again: the same names, usages and key, valid from now on, for `subject` or
 * the one it has. The key stays, so a crash cannot leave a certificate beside another's key.
 */
export async function renewCertificate(
  ca: KeyPair,
  certPem: string,
  { subject, ...options }: { days: number; now_ms: number; subject?: Subject | undefined },
): Promise<string> {
  const old = new x509.X509Certificate(certPem);
  const usages = old.getExtension(x509.ExtendedKeyUsageExtension)?.usages ?? [];
  const alternative = old.getExtension(x509.SubjectAlternativeNameExtension);
  return sign(ca, {
    name: subject ? subjectName(subject.commonName, subject.organizations ?? []) : old.subjectName,
    publicKey: await old.publicKey.export(),
    usages: (["server", "client"] as const).filter((usage) => usages.includes(USAGE_OIDS[usage])),
    ...namesOf(alternative),
    ...options,
  });
}

/**
 * Signs a PEM certificate signing request (PKCS #10) with its own subject and alternative names,
 * for `usages`. Throws CodedError `BAD_CSR` when it is too long, does not parse or its
 * self-signature is wrong.
 */
export async function signRequest(
  ca: KeyPair,
  csrPem: string,
  options: { usages: readonly Usage[]; days: number; now_ms: number },
): Promise<string> {
  const csr = await parseRequest(csrPem);
  const alternative = csr.extensions.find(
    (extension) => extension instanceof x509.SubjectAlternativeNameExtension,
  );
  const signed = await sign(ca, {
    name: csr.subjectName,
    publicKey: await csr.publicKey.export(),
    ...namesOf(alternative),
    ...options,
  });
  requireSubject(signed, await readRequest(csrPem));
  return signed;
}

/** A new private key (ECDSA P-256), as a PEM text. */
export async function createKey(): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  return exportKey(keys.privateKey);
}

/** A PEM certificate signing request (PKCS #10) for a key of `createKey`, or a new one. */
export async function createRequest(
  request: Omit<CertificateRequest, "days" | "usages">,
  kept?: string,
): Promise<{ csr: string; key: string }> {
  const { commonName, organizations = [], dnsNames = [], ipAddresses = [] } = request;
  const key = kept ?? (await createKey());
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  const { subtle } = webcrypto;
  const keys = {
    privateKey: (await importKey(key)).key,
    publicKey: await subtle.importKey("spki", spki, ALGORITHM, true, ["verify"]),
  };
  const names = alternativeNames(dnsNames, ipAddresses);
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: subjectName(commonName, organizations),
    keys: keys as never,
    signingAlgorithm: ALGORITHM,
    extensions: nameExtensions(names),
  });
  return { csr: `${csr.toString("pem")}\n`, key };
}

const alternativeNames = (dnsNames: readonly string[], ipAddresses: readonly string[]) => [
  ...dnsNames.map((value) => ({ type: "dns" as const, value })),
  ...ipAddresses.map((value) => ({ type: "ip" as const, value })),
];

/** Throws when servers would read another user or groups out of a certificate than was checked. */
function requireSubject(signed: string, { commonName, organizations }: RequestSubject): void {
  const read = subjectOf(new X509Certificate(signed));
  if (isDeepStrictEqual(read, { commonNames: [commonName], organizations })) return;
  throw new CodedError("BAD_CSR", "the signing request's subject can be read in two ways");
}

function namesOf(alternative: x509.SubjectAlternativeNameExtension | null | undefined) {
  const names = alternative?.names.toJSON() ?? [];
  const of = (type: string) => names.filter((name) => name.type === type).map((name) => name.value);
  return { dnsNames: of("dns"), ipAddresses: of("ip") };
}

/** The subject that a signing request names. */
export interface RequestSubject {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  /** Alternative names of other kinds (email, URI), as `kind:value`. */
  readonly otherNames: readonly string[];
}

/**
 * Reads a PEM certificate signing request. Throws CodedError `BAD_CSR` as `signRequest` does, and
 * for several common names: some readers take the first, others the last.
 */
export async function readRequest(csrPem: string): Promise<RequestSubject> {
  const csr = await parseRequest(csrPem);
  const alternative = csr.extensions.find(
    (extension) => extension instanceof x509.SubjectAlternativeNameExtension,
  );
  const names = alternative?.names.toJSON() ?? [];
  const of = (type: string) => names.filter((name) => name.type === type).map((name) => name.value);
  const [commonName = "", second] = csr.subjectName.getField("CN");
  if (second !== undefined) {
    throw new CodedError("BAD_CSR", "the certificate signing request has several common names");
  }
  return {
    commonName,
    organizations: csr.subjectName.getField("O"),
    dnsNames: of("dns"),
    ipAddresses: of("ip"),
    otherNames: names
      .filter((name) => name.type !== "dns" && name.type !== "ip")
      .map((name) => `${name.type}:${name.value}`),
  };
}

async function parseRequest(pem: string): Promise<x509.Pkcs10CertificateRequest> {
  if (pem.length > REQUEST_CHARACTERS_MAX) {
    const most = `${REQUEST_CHARACTERS_MAX} characters`;
    throw new CodedError("BAD_CSR", `the certificate signing request has more than ${most}`);
  }
  try {
    const csr = new x509.Pkcs10CertificateRequest(pem);
    if (await csr.verify()) return csr;
  } catch (cause) {
    throw new CodedError("BAD_CSR", "the certificate signing request does not parse", { cause });
  }
  throw new CodedError("BAD_CSR", "the certificate signing request's signature is wrong");
}

interface ToSign {
  /** Goes into the certificate as it is: its text, parsed again, could be another name. */
  name: x509.Name;
  publicKey: webcrypto.CryptoKey;
  usages: readonly Usage[];
  dnsNames?: readonly string[];
  ipAddresses?: readonly string[];
  days: number;
  now_ms: number;
}

async function sign(ca: KeyPair, request: ToSign): Promise<string> {
  const issuer = new x509.X509Certificate(ca.cert);
  const { key, algorithm } = await importKey(ca.key);
  const names = alternativeNames(request.dnsNames ?? [], request.ipAddresses ?? []);
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: request.name,
    issuer: issuer.subjectName,
    notBefore: new Date(request.now_ms - BACKDATE_MS),
    // A certificate that outlives its issuer's is of no use, and would not be renewed with it.
    notAfter: new Date(Math.min(request.now_ms + request.days * MS_PER_DAY, +issuer.notAfter)),
    publicKey: request.publicKey as never,
    signingKey: key as never,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment,
        true,
      ),
      ...usageExtensions(request.usages),
      await authorityKey(issuer),
      ...nameExtensions(names),
    ],
  });
  return `${cert.toString("pem")}\n`;
}

/** The issuer's own identifier of its key (RFC 5280, 4.2.1.1): Go's is no SHA-1, since 1.25. */
async function authorityKey(issuer: x509.X509Certificate): Promise<x509.Extension> {
  const own = issuer.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
  if (own !== undefined) return new x509.AuthorityKeyIdentifierExtension(own);
  return x509.AuthorityKeyIdentifierExtension.create(issuer);
}

function usageExtensions(usages: readonly Usage[]): x509.Extension[] {
  const oids = usages.map((usage) => USAGE_OIDS[usage]);
  return oids.length > 0 ? [new x509.ExtendedKeyUsageExtension(oids)] : [];
}

function nameExtensions(names: ReturnType<typeof alternativeNames>): x509.Extension[] {
  return names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : [];
}

/** The subject in the form whose values are taken literally, not parsed as the text of a name. */
function subjectName(commonName: string, organizations: readonly string[]): x509.Name {
  const parts = organizations.map((organization) => ({ O: [{ utf8String: organization }] }));
  const common = commonName === "" ? [] : [{ CN: [{ utf8String: commonName }] }];
  return new x509.Name([...parts, ...common]);
}

function serialNumber(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = bytes[0]! & 0x7f;
  return Buffer.from(bytes).toString("hex");
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey("pkcs8", key);
  return `${x509.PemConverter.encode(der, "PRIVATE KEY")}\n`;
}

/** Algorithms by which CAs of others sign, by the curve of their key; RSA has none. */
const SIGNING: Readonly<Record<string, { name: string; namedCurve?: string; hash: string }>> = {
  prime256v1: ALGORITHM,
  secp384r1: { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" },
  rsa: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
};

/** Reads a CA's key, in PKCS #8 or, as kubeadm and openssl write it, in SEC 1 or PKCS #1. */
async function importKey(pem: string) {
  const key = createPrivateKey(pem);
  const kind = key.asymmetricKeyDetails?.namedCurve ?? String(key.asymmetricKeyType);
  const algorithm = SIGNING[kind];
  if (algorithm === undefined) {
    throw new CodedError("CA_KEY", `a CA's key of ${kind} cannot sign here`, {
      remedy: `a CA has a key of ${Object.keys(SIGNING).join(", ")}`,
    });
  }
  const der = key.export({ type: "pkcs8", format: "der" });
  const signing = await webcrypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
  return { algorithm, key: signing };
}
