import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { issueCertificate } from "./certificate.ts";

/** A CA whose key identifier is not a digest of the key: RFC 5280 allows any bytes. */
const CONFIG = `[req]
distinguished_name = names
x509_extensions = extensions
[names]
[extensions]
basicConstraints = critical, CA:true
subjectKeyIdentifier = 00112233445566778899
`;

/** A CA that openssl made, with its key in the form of that command. */
function caOf(...command: string[]) {
  const dir = testFolder("r2k-ca-");
  const [keyFile, certFile] = [join(dir, "ca.key"), join(dir, "ca.crt")];
  execFileSync("openssl", [...command, "-out", keyFile], { stdio: "ignore" });
  const config = join(dir, "ca.conf");
  writeFileSync(config, CONFIG);
  const words = ["req", "-x509", "-new", "-key", keyFile, "-subj", "/CN=kubernetes", "-days", "9"];
  execFileSync("openssl", [...words, "-config", config, "-out", certFile], { stdio: "ignore" });
  return { key: readFileSync(keyFile, "utf8"), cert: readFileSync(certFile, "utf8") };
}

const ec = (curve: string) => ["ecparam", "-genkey", "-noout", "-name", curve];

test.each([
  ["EC PRIVATE KEY", ec("prime256v1")],
  ["EC PRIVATE KEY", ec("secp384r1")],
  ["RSA PRIVATE KEY", ["genrsa", "-traditional"]],
])("a CA signs with its key as %s (%j), as kubeadm writes it", async (label, command) => {
  const ca = caOf(...command);
  expect(ca.key).toContain(`-----BEGIN ${label}-----`);
  const request = { commonName: "n1", usages: ["client" as const], days: 1 };
  const { cert } = await issueCertificate(ca, request, Date.now());
  const issued = new X509Certificate(cert);
  expect(issued.verify(new X509Certificate(ca.cert).publicKey)).toBe(true);
  expect(issued.checkIssued(new X509Certificate(ca.cert))).toBe(true);
});

test("a CA's key of a kind that cannot sign here is refused by name", async () => {
  const ca = caOf("genpkey", "-algorithm", "ed25519");
  const request = { commonName: "n1", usages: ["client" as const], days: 1 };
  const issued = issueCertificate(ca, request, Date.now());
  await expect(issued).rejects.toThrow("a CA's key of ed25519 cannot sign here");
});
