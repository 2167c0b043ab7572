import { expect, test } from "vitest";
import { planCluster } from "../cluster/config.ts";
import { planJoiningNode } from "../cluster/joining-nodes.ts";
import { isApprovable } from "./approve-requests.ts";

const SERVING = "kubernetes.io/kubelet-serving";
const CLIENT = "kubernetes.io/kube-apiserver-client";

const cluster = await planCluster("one", { data: "/nowhere/data", run: "/nowhere/run" }, {}, []);
const node = planJoiningNode(cluster, "second", []);

const none = { organizations: [], dnsNames: [], ipAddresses: [], otherNames: [] };
const serving = {
  ...none,
  commonName: "system:node:second",
  organizations: ["system:nodes"],
  dnsNames: ["second"],
  ipAddresses: ["10.200.0.3"],
};

test("a node's kubelet may serve under the name and the address that it was given", () => {
  expect(isApprovable(SERVING, serving, node)).toBe(true);
  for (const other of [
    { commonName: "system:node:third" },
    { organizations: ["system:nodes", "system:masters"] },
    { dnsNames: ["second", "kubernetes"] },
    { ipAddresses: ["10.200.0.1"] },
    { otherNames: ["url:spiffe://a"] },
  ]) {
    expect(isApprovable(SERVING, { ...serving, ...other }, node)).toBe(false);
  }
  expect(isApprovable(CLIENT, serving, node)).toBe(false);
});

test("its parts get their users, and no others", () => {
  for (const commonName of ["system:kube-proxy", "system:r2k:dns", "system:r2k:csi-provisioner"]) {
    expect(isApprovable(CLIENT, { ...none, commonName }, node)).toBe(true);
    const master = { ...none, commonName, organizations: ["system:masters"] };
    expect(isApprovable(CLIENT, master, node)).toBe(false);
    expect(isApprovable(SERVING, { ...none, commonName }, node)).toBe(false);
  }
  for (const commonName of ["kubernetes-admin", "system:kube-controller-manager", ""]) {
    expect(isApprovable(CLIENT, { ...none, commonName }, node)).toBe(false);
  }
});
