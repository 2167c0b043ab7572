import { X509Certificate, createPrivateKey } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createCa, issueCertificate, signRequest } from "./certificate.ts";
import { kubeconfig, readKubeconfig } from "./kubeconfig.ts";

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

it("refuses a request that does not parse", async () => {
  const ca = await createCa({ commonName: "test-ca", days: 10, now_ms });
  const signing = signRequest(ca, "nonsense", { usages: ["client"], days: 1, now_ms });
  await expect(signing).rejects.toMatchObject({ code: "BAD_CSR" });
});

it("reads back the kubeconfig it writes", async () => {
  const dir = mkdtempSync(join(tmpdir(), "r2k-pki-"));
  const path = join(dir, "config");
  const access = { server: "https://127.0.0.1:6443", ca: "CA\n", cert: "C\n", key: "K\n" };
  writeFileSync(path, kubeconfig("r2k", access));
  expect(await readKubeconfig(path)).toEqual(access);
  writeFileSync(path, "current-context: nothing\n");
  await expect(readKubeconfig(path)).rejects.toThrow(/no context named nothing/);
  rmSync(dir, { recursive: true });
});
