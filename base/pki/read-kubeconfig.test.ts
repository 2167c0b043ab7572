import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { kubeconfig } from "./kubeconfig.ts";
import { readKubeconfig } from "./read-kubeconfig.ts";

test("a certificate and key of files are read, and the files named; not beside data", async () => {
  const dir = testFolder("r2k-kubeconfig-");
  const [certFile, keyFile] = [join(dir, "a.crt"), join(dir, "a.key")];
  await writeFile(certFile, "C");
  await writeFile(keyFile, "K");
  const path = join(dir, "config");
  const pair = { cert: "C", key: "K" };
  await writeFile(path, kubeconfig("c", { server: "https://a", certFile, keyFile }));
  const named = { server: "https://a", ...pair, certFile, keyFile };
  expect(await readKubeconfig(path)).toEqual(named);
  await writeFile(path, kubeconfig("c", { server: "https://a", cert: "C", certFile, keyFile }));
  expect(await readKubeconfig(path)).toEqual({ server: "https://a", ...pair });
});

test("relative files are beside the kubeconfig, and empty data hides none", async () => {
  const dir = testFolder("r2k-kubeconfig-");
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
