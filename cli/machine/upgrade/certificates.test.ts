import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { issueCertificate } from "@raft2kube/pki/certificate.ts";
import { kubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { pathsOf } from "../../pki/identities.ts";
import { ensureAll, ensureAuthority, keptLeaves } from "../certificates.ts";
import { parseKubeadmConfig } from "../config/kubeadm.ts";
import { CONTROL_PLANE_USERS } from "../layout.ts";
import { renewCertificates } from "./certificates.ts";

const MADE_MS = Date.UTC(2026, 0, 1);
const LATER_MS = Date.UTC(2026, 5, 1);

/** A control plane machine's certificates, and which of them a renewal for a component changes. */
async function machine() {
  const dir = testFolder("r2k-renewed-");
  const cluster = { ...parseKubeadmConfig("", "").cluster, certificatesDir: dir };
  const names = { nodeName: "cp-1", address: "10.0.0.1" };
  await Array.fromAsync(ensureAll(cluster, names, MADE_MS));
  const kubeconfigOf = (user: string) => join(dir, `${user}.conf`);
  const { cert = "", key = "" } = await ensureAuthority(dir, "ca", MADE_MS);
  const request = { commonName: "a", usages: ["client"] as const, days: 365 };
  for (const user of CONTROL_PLANE_USERS) {
    const pair = await issueCertificate({ cert, key }, request, MADE_MS);
    const access = { server: "https://10.0.0.1:6443", ca: cert, ...pair };
    writeFileSync(kubeconfigOf(user), kubeconfig("kubernetes", access, "json"));
  }
  const ends = async () =>
    new Map((await keptLeaves(dir, kubeconfigOf)).map(({ name, cert: c }) => [name, c.validTo]));
  const clock = new ManualClock(LATER_MS);
  const notes: string[] = [];
  const note = (line: string) => void notes.push(line);
  const renewed = async (user: Parameters<typeof renewCertificates>[1]) => {
    const before = await ends();
    await renewCertificates({ clock, cluster, note } as never, user, kubeconfigOf);
    return [...(await ends())].filter(([name, end]) => before.get(name) !== end).map(([n]) => n);
  };
  return { dir, renewed, notes };
}

test("an upgrade renews the certificates of the component that it replaces", async () => {
  const { renewed, notes } = await machine();
  expect(await renewed("etcd")).toEqual(["etcd-server", "etcd-peer", "etcd-healthcheck-client"]);
  expect((await renewed("kube-apiserver")).sort()).toEqual([
    "apiserver",
    "apiserver-etcd-client",
    "apiserver-kubelet-client",
    "front-proxy-client",
  ]);
  expect(await renewed("kube-controller-manager")).toEqual(["controller-manager.conf"]);
  expect(await renewed("kube-scheduler")).toEqual(["scheduler.conf"]);
  expect(await renewed("admin")).toEqual(["admin.conf", "super-admin.conf"]);
  expect(notes).toContain("[upgrade/staticpods] Renewing etcd-server certificate");
});

test("a certificate of another CA, or of one whose key is elsewhere, stays as it is", async () => {
  const { dir, renewed, notes } = await machine();
  rmSync(pathsOf(dir, "etcd/ca").key);
  for (const path of Object.values(pathsOf(dir, "front-proxy-ca"))) rmSync(path);
  await ensureAuthority(dir, "front-proxy-ca", LATER_MS);
  const before = await readIfPresent(pathsOf(dir, "front-proxy-client").cert);
  expect(await renewed("kube-apiserver")).toEqual(["apiserver", "apiserver-kubelet-client"]);
  expect(await readIfPresent(pathsOf(dir, "front-proxy-client").cert)).toBe(before);
  expect(notes).toContain(
    "[upgrade/staticpods] External CA detected, apiserver-etcd-client certificate can't be renewed",
  );
  expect(notes.join("\n")).toMatch(/front-proxy-client certificate was not issued by/);
});
