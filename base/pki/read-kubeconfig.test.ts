import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readKubeconfig } from "./read-kubeconfig.ts";

test("relative files are beside the kubeconfig, and empty data hides none", async () => {
  const dir = await mkdtemp(join(tmpdir(), "r2k-kubeconfig-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const ca = { "certificate-authority-data": "", "certificate-authority": "ca.crt" };
  const config = {
    "current-context": "c",
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server: "https://a", ...ca } }],
    users: [{ name: "u", user: { tokenFile: "token" } }],
  };
  const path = join(dir, "config");
  await writeFile(path, JSON.stringify(config));
  await writeFile(join(dir, "ca.crt"), "pem");
  expect(await readKubeconfig(path)).toEqual({
    server: "https://a",
    ca: "pem",
    tokenFile: join(dir, "token"),
  });
});
