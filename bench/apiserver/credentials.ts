import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";

/** Files of the certificates and keys that an apiserver of either make is started with. */
export interface Credentials {
  readonly ca: string;
  readonly server: { readonly cert: string; readonly key: string };
  /** A client of group `system:masters`. */
  readonly admin: { readonly cert: string; readonly key: string };
  readonly serviceAccount: { readonly key: string; readonly pub: string };
  /** Makes a certificate of another client. */
  client(name: string, group: string): Promise<{ readonly cert: string; readonly key: string }>;
}

/** Makes them, for a day, in `dir`. */
export async function makeCredentials(dir: string): Promise<Credentials> {
  mkdirSync(dir, { recursive: true });
  const write = (name: string, text: string) => {
    const path = join(dir, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const files = (name: string, { cert, key }: KeyPair) => ({
    cert: write(`${name}.crt`, cert),
    key: write(`${name}.key`, key),
  });
  const now_ms = Date.now();
  const ca = await createCa({ commonName: "r2k-bench", days: 1, now_ms });
  const server = await issueCertificate(
    ca,
    { commonName: "kube-apiserver", ipAddresses: ["127.0.0.1"], usages: ["server"], days: 1 },
    now_ms,
  );
  const client = async (commonName: string, group: string) => {
    const subject = { commonName, organizations: [group], days: 1 };
    const pair = await issueCertificate(ca, { ...subject, usages: ["client"] }, now_ms);
    return files(commonName.replaceAll(":", "-"), pair);
  };
  const keys = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    ca: write("ca.crt", ca.cert),
    server: files("server", server),
    admin: await client("admin", "system:masters"),
    client,
    serviceAccount: {
      key: write("sa.key", keys.privateKey.export({ type: "pkcs8", format: "pem" }) as string),
      pub: write("sa.pub", keys.publicKey.export({ type: "spki", format: "pem" }) as string),
    },
  };
}
