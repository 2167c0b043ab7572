import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCa } from "@raft2kube/pki/certificate.ts";
import { kubeadmKubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { expect, onTestFinished, test } from "vitest";
import { clientState, isOfNode } from "./kubelet-client.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const SERVER = "https://127.0.0.1:6443";

/** Writes a kubeconfig that names a certificate of the user, in a file beside it. */
async function written(commonName: string) {
  const dir = mkdtempSync(join(tmpdir(), "r2k-client-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const { cert, key } = await createCa({ commonName, days: 10, now_ms: NOW_MS });
  const pem = join(dir, "client.pem");
  writeFileSync(pem, `${cert}${key}`);
  const kubeconfig = join(dir, "kubelet.conf");
  writeFileSync(
    kubeconfig,
    kubeadmKubeconfig("kubernetes", commonName, {
      server: SERVER,
      ca: cert,
      certFile: pem,
      keyFile: pem,
    }),
  );
  return { pem, kubeconfig };
}

test("a kubeconfig whose certificate was deleted counts as missing", async () => {
  const files = await written("system:node:a");
  expect(await clientState(NOW_MS, files)).toBe("valid");
  rmSync(files.pem);
  expect(await clientState(NOW_MS, files)).toBe("missing");
  expect(await isOfNode(files.kubeconfig, "a")).toBe(false);
});

test.each([
  ["system:node:a", true],
  ["system:node:ab", false],
  ["admin", false],
])("the certificate of %s is the kubelet's of the node a: %s", async (user, is) =>
  expect(await isOfNode((await written(user)).kubeconfig, "a")).toBe(is),
);
