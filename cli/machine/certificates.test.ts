import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { suiteFolder, testFolder } from "../../testing/folders.ts";
import { pathsOf } from "../pki/identities.ts";
import {
  ensureAll,
  ensureAuthority,
  ensureLeaf,
  keptLeaves,
  leavesOf,
  renewLeaf,
} from "./certificates.ts";
import { parseKubeadmConfig } from "./config/kubeadm.ts";

const MADE_MS = Date.UTC(2026, 0, 1);
const LATER_MS = Date.UTC(2026, 5, 1);
const machine = { nodeName: "cp-1", address: "10.0.0.1" };
const dir = suiteFolder("r2k-certs-");
const cluster = { ...parseKubeadmConfig("", "").cluster, certificatesDir: dir };
const leaves = leavesOf(cluster, machine);

async function ensured(now_ms: number): Promise<string[]> {
  const all = await Array.fromAsync(ensureAll(cluster, machine, now_ms));
  return [...new Set(all.map(({ done }) => done))];
}

beforeAll(async () => expect(await ensured(MADE_MS)).toEqual(["made"]));

test("the name of a machine is no address, though it be a number", () => {
  for (const { name, request } of leavesOf(cluster, { ...machine, nodeName: "101" })) {
    if (name !== "apiserver" && name !== "etcd/server") continue;
    expect(request.dnsNames).toContain("101");
    expect(request.ipAddresses).not.toContain("101");
  }
});

test("certificates that are there are used, and no key changes", async () => {
  const key = readFileSync(pathsOf(dir, "apiserver").key, "utf8");
  expect(await ensured(LATER_MS)).toEqual(["used"]);
  expect(readFileSync(pathsOf(dir, "apiserver").key, "utf8")).toBe(key);
});

test("a renewed certificate has the same names and key, and a later end", async () => {
  const none = () => join(dir, "none");
  const kept = await keptLeaves(dir, none);
  expect(kept).toHaveLength(leaves.length);
  for (const leaf of kept) await renewLeaf(dir, leaf, LATER_MS);
  for (const [index, { cert }] of (await keptLeaves(dir, none)).entries()) {
    const before = kept[index]!.cert;
    expect(cert.subjectAltName).toBe(before.subjectAltName);
    expect(cert.publicKey.equals(before.publicKey)).toBe(true);
    expect(cert.validToDate.getTime() - before.validToDate.getTime()).toBe(LATER_MS - MADE_MS);
  }
});

test("an external CA's certificates are used; one that is missing is named", async () => {
  rmSync(pathsOf(dir, "ca").key);
  const ca = await ensureAuthority(dir, "ca", LATER_MS);
  const [apiserver] = leaves;
  expect(await ensureLeaf(dir, apiserver!, ca, LATER_MS)).toBe("used");
  for (const path of Object.values(pathsOf(dir, "apiserver"))) rmSync(path);
  await expect(ensureLeaf(dir, apiserver!, ca, LATER_MS)).rejects.toMatchObject({
    code: "EXTERNAL_CA",
    message: expect.stringContaining("kube-apiserver") as string,
  });
});

test("a CA that is there is used, or refused by its file, and never made again", async () => {
  const own = testFolder("r2k-own-ca-");
  const { cert, key } = pathsOf(own, "ca");
  const { cert: made } = await ensureAuthority(own, "ca", MADE_MS);
  expect((await ensureAuthority(own, "ca", LATER_MS)).cert).toBe(made);
  const refused = (code: string, says: string, now_ms = LATER_MS) =>
    expect(ensureAuthority(own, "ca", now_ms)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(says) as string,
      remedy: expect.anything() as string,
    });
  await refused("CA_EXPIRED", cert, Date.UTC(2036, 1, 1));
  copyFileSync(pathsOf(dir, "front-proxy-ca").key, key);
  await refused("CA_HALVES", key);
  rmSync(cert);
  await refused("MISSING_HALF", cert);
  expect(readdirSync(own)).toEqual(["ca.key"]);
  rmSync(key);
  writeFileSync(cert, "none");
  await refused("BAD_CERTIFICATE", cert);
});

test("a certificate of another CA, or for other names, is refused and kept", async () => {
  const leaf = leaves.find(({ name }) => name === "etcd/server")!;
  const ca = await ensureAuthority(dir, "etcd/ca", LATER_MS);
  const moved = { ...leaf, request: { ...leaf.request, ipAddresses: ["10.9.9.9"] } };
  await expect(ensureLeaf(dir, moved, ca, LATER_MS)).rejects.toThrow("is not valid for 10.9.9.9");
  await expect(ensureLeaf(dir, leaf, ca, Date.UTC(2028, 0, 1))).rejects.toThrow("expired on");
  const other = await ensureAuthority(dir, "front-proxy-ca", LATER_MS);
  await expect(ensureLeaf(dir, leaf, other, LATER_MS)).rejects.toThrow("was not issued by");
});

test("no CA but the one that issued a certificate renews it", async () => {
  const other = testFolder("r2k-other-ca-");
  await ensureAuthority(other, "ca", MADE_MS);
  const leaf = (await keptLeaves(dir, () => join(dir, "none"))).find(
    ({ name }) => name === "apiserver-kubelet-client",
  )!;
  const before = readFileSync(leaf.path, "utf8");
  await expect(renewLeaf(other, leaf, LATER_MS)).rejects.toThrow("was not issued by");
  expect(readFileSync(leaf.path, "utf8")).toBe(before);
});
