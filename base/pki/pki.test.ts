import "reflect-metadata";
import { createPrivateKey, webcrypto, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import { describe, expect, it } from "vitest";
import {
  createCa,
  createRequest,
  issueCertificate,
  readRequest,
  signRequest,
} from "./certificate.ts";
import { kubeconfig, withClientCertificate, withServer } from "./kubeconfig.ts";
import { readKubeconfig } from "./read-kubeconfig.ts";

const now_ms = Date.now();

it("issues certificates that the CA verifies, with their names and organizations", async () => {
  const ca = await createCa({ commonName: "test-ca", days: 10, now_ms });
  const pair = await issueCertificate(
    ca,
    {
      commonName: "system:node:n1",
      organizations: ["system:nodes"],
      dnsNames: ["localhost"],
      ipAddresses: ["127.0.0.1", "::1"],
      usages: ["server", "client"],
      days: 5,
    },
    now_ms,
  );
  const cert = new X509Certificate(pair.cert);
  const issuer = new X509Certificate(ca.cert);
  expect(cert.verify(issuer.publicKey)).toBe(true);
  expect(issuer.ca).toBe(true);
  expect(cert.ca).toBe(false);
  expect(cert.checkPrivateKey(createPrivateKey(pair.key))).toBe(true);
  expect(cert.subject).toBe("O=system:nodes\nCN=system:node:n1");
  expect(cert.checkIP("127.0.0.1")).toBe("127.0.0.1");
  expect(cert.checkHost("localhost")).toBe("localhost");
});

it("issues certificates that hold for a member whose clock is five minutes behind", async () => {
  const behind_ms = now_ms - 300_000;
  const usages = ["client" as const];
  const ca = await createCa({ commonName: "test-ca", days: 10, now_ms });
  const { cert } = await issueCertificate(ca, { commonName: "n1", usages, days: 5 }, now_ms);
  const { csr } = await createRequest({ commonName: "n2" });
  const signed = await signRequest(ca, csr, { usages, days: 5, now_ms });
  for (const text of [ca.cert, cert, signed]) {
    expect(Date.parse(new X509Certificate(text).validFrom)).toBeLessThanOrEqual(behind_ms);
  }
});

it("refuses a request that does not parse", async () => {
  const ca = await createCa({ commonName: "test-ca", days: 10, now_ms });
  const signing = signRequest(ca, "nonsense", { usages: ["client"], days: 1, now_ms });
  await expect(signing).rejects.toMatchObject({ code: "BAD_CSR" });
});

describe("a request is signed with the subject that it was checked for", () => {
  it.each([
    ["quotes", ['system:node:x"system:kube-controller-manager"']],
    ["an attribute's text", ["system:node:x, O=system:masters, CN=y"]],
    ["an attribute's text behind line ends", ["system:node:x\r\n\\, O=system:masters"]],
    ["a value in hexadecimal", ["system:node:x", "#0c0161"]],
    ["escapes", ["system:node:\\0a\\,\\"]],
  ])("%s", async (_what, [node = "", more]) => {
    const ca = await createCa({ commonName: "test-ca", days: 10, now_ms });
    const parts = [{ O: [{ utf8String: "system:nodes" }] }, { CN: [{ utf8String: node }] }];
    const unit = more === undefined ? [] : [{ OU: [{ utf8String: more }] }];
    const csr = await requestFor([...parts, ...unit]);
    const checked = await readRequest(csr);
    expect(checked).toMatchObject({ commonName: node, organizations: ["system:nodes"] });
    const signed = await signRequest(ca, csr, { usages: ["client"], days: 1, now_ms });
    const subject = new x509.X509Certificate(signed).subjectName;
    expect(subject.getField("CN")).toEqual([node]);
    expect(subject.getField("O")).toEqual(["system:nodes"]);
    expect(subject.toArrayBuffer()).toEqual(
      new x509.Pkcs10CertificateRequest(csr).subjectName.toArrayBuffer(),
    );
  });
});

it("makes requests that are signed with their subject and names", async () => {
  const subject = {
    commonName: "system:node:a",
    organizations: ["system:nodes"],
    dnsNames: ["a"],
    ipAddresses: ["10.200.0.3"],
  };
  const { csr, key } = await createRequest(subject);
  expect(await readRequest(csr)).toEqual({ ...subject, otherNames: [] });
  const ca = await createCa({ commonName: "ca", days: 2, now_ms });
  const cert = new X509Certificate(
    await signRequest(ca, csr, { usages: ["server"], days: 1, now_ms }),
  );
  expect(cert.checkPrivateKey(createPrivateKey(key))).toBe(true);
  expect(cert.subjectAltName).toBe("DNS:a, IP Address:10.200.0.3");
});

it("refuses a request with two common names: readers could use either", async () => {
  const csr = await requestFor([{ CN: ["system:node:x"] }, { CN: ["admin"] }]);
  await expect(readRequest(csr)).rejects.toMatchObject({ code: "BAD_CSR" });
});

it("does not parse a request of 32 KiB: one identifier of 600,000 parts takes a second", async () => {
  const csr = await requestFor([{ CN: ["system:node:x"] }, { OU: ["x".repeat(24_000)] }]);
  await expect(readRequest(csr)).rejects.toThrow("more than 32768 characters");
});

/** A signing request with its own key, for any subject. */
async function requestFor(name: ConstructorParameters<typeof x509.Name>[0]): Promise<string> {
  const signingAlgorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(signingAlgorithm, true, ["sign", "verify"]);
  const init = { name: new x509.Name(name), keys: keys as never, signingAlgorithm };
  return (await x509.Pkcs10CertificateRequestGenerator.create(init as never)).toString("pem");
}

function isJson(text: string): boolean {
  try {
    return typeof JSON.parse(text) === "object";
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return false;
    throw thrown;
  }
}

it("reads back the kubeconfig it writes, and refuses fields that it would pass over", async () => {
  const dir = mkdtempSync(join(tmpdir(), "r2k-pki-"));
  const path = join(dir, "config");
  const access = { server: "https://127.0.0.1:6443", ca: "CA\n", cert: "C\n", key: "K\n" };
  for (const format of ["yaml", "json"] as const) {
    const text = kubeconfig("r2k", access, format);
    writeFileSync(path, text);
    expect(await readKubeconfig(path)).toEqual(access);
    const changed = withServer(withClientCertificate(text, "C2\n"), "https://10.0.0.1:1");
    writeFileSync(path, changed);
    const expected = { ...access, cert: "C2\n", server: "https://10.0.0.1:1" };
    expect(await readKubeconfig(path)).toEqual(expected);
    expect([text, changed].map(isJson)).toEqual(Array(2).fill(format === "json"));
  }
  for (const [section, field] of [
    ["user", "exec"],
    ["user", "auth-provider"],
    ["user", "as"],
    ["cluster", "proxy-url"],
    ["cluster", "insecure-skip-tls-verify"],
    ["cluster", "tls-server-name"],
  ] as const) {
    const on = (name: string) => (section === name ? { [field]: { a: "b" } } : {});
    const config = {
      "current-context": "c",
      contexts: [{ name: "c", context: { cluster: "h", user: "u" } }],
      clusters: [{ name: "h", cluster: { server: "https://h", ...on("cluster") } }],
      users: [{ name: "u", user: { token: "t", ...on("user") } }],
    };
    writeFileSync(path, JSON.stringify(config));
    await expect(readKubeconfig(path)).rejects.toThrow(`${section}'s ${field} is not served`);
  }
  writeFileSync(path, "{clusters: []}\n");
  await expect(readKubeconfig(path)).rejects.toThrow(/no context named undefined/);
  writeFileSync(path, "current-context: nothing\n");
  await expect(readKubeconfig(path)).rejects.toThrow(/no context named nothing/);
  rmSync(dir, { recursive: true });
});
