import { NODE_PARTS, nodeUser } from "@raft2kube/api/node-users.ts";
import { createRequest } from "@raft2kube/pki/certificate.ts";
import { expect, test } from "vitest";
import { approvableOf, isApprovable } from "./approve.ts";

const SERVING = "kubernetes.io/kubelet-serving";
const KUBELET = "kubernetes.io/kube-apiserver-client-kubelet";
const CLIENT = "kubernetes.io/kube-apiserver-client";

const node = { nodeName: "second", nodeAddress: "10.200.0.3" };

const none = { organizations: [], dnsNames: [], ipAddresses: [], otherNames: [] };
const serving = {
  ...none,
  commonName: "system:node:second",
  organizations: ["system:nodes"],
  dnsNames: ["second"],
  ipAddresses: ["10.200.0.3"],
};

test("a node's kubelet may serve under the name and the address that it was given", () => {
  expect(isApprovable("kubelet", SERVING, serving, node)).toBe(true);
  for (const other of [
    { commonName: "system:node:third" },
    { organizations: ["system:nodes", "system:masters"] },
    { dnsNames: ["second", "kubernetes"] },
    { ipAddresses: ["10.200.0.1"] },
    { otherNames: ["url:spiffe://a"] },
  ]) {
    expect(isApprovable("kubelet", SERVING, { ...serving, ...other }, node)).toBe(false);
  }
  expect(isApprovable("kubelet", CLIENT, serving, node)).toBe(false);
});

test("its parts get users of their own, and no others", () => {
  for (const part of NODE_PARTS.filter((each) => each !== "kubelet")) {
    const subjectFor = (of: string) => {
      const { name, group } = nodeUser(part, of);
      return { ...none, commonName: name, organizations: [group] };
    };
    const own = subjectFor("second");
    expect(isApprovable("kubelet", CLIENT, own, node)).toBe(true);
    expect(isApprovable("kubelet", CLIENT, subjectFor("third"), node)).toBe(false);
    for (const organizations of [[], ["system:masters"], [...own.organizations, "system:nodes"]]) {
      expect(isApprovable("kubelet", CLIENT, { ...own, organizations }, node)).toBe(false);
    }
    expect(isApprovable("kubelet", SERVING, own, node)).toBe(false);
  }
  for (const commonName of ["kubernetes-admin", "system:kube-proxy", ""]) {
    expect(isApprovable("kubelet", CLIENT, { ...none, commonName }, node)).toBe(false);
  }
});

test("its token to join gets the kubelet's certificate in its name, and nothing else", () => {
  const kubelet = { ...none, commonName: "system:node:second", organizations: ["system:nodes"] };
  expect(isApprovable("token", KUBELET, kubelet, node)).toBe(true);
  for (const other of [
    { commonName: "system:node:third" },
    { commonName: "system:node:" },
    { organizations: ["system:nodes", "system:masters"] },
    { dnsNames: ["second"] },
  ]) {
    expect(isApprovable("token", KUBELET, { ...kubelet, ...other }, node)).toBe(false);
  }
  expect(isApprovable("token", SERVING, serving, node)).toBe(false);
  expect(isApprovable("token", CLIENT, { ...none, commonName: "system:kube-proxy" }, node)).toBe(
    false,
  );
  expect(isApprovable("kubelet", KUBELET, kubelet, node)).toBe(false);
});

test("requests that do not parse, and those of others, keep none from being approved", async () => {
  const kubelet = { commonName: "system:node:second", organizations: ["system:nodes"] };
  const { csr } = await createRequest(kubelet);
  const joins = "system:bootstrap:abcdef";
  const request = (name: string, pem: string, username = joins) => ({
    metadata: { name },
    spec: { signerName: KUBELET, username, request: Buffer.from(pem).toString("base64") },
  });
  const wrong = [
    "",
    "none",
    csr.replace("M", "-"),
    "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
  ].map((pem, index) => request(`wrong-${index}`, pem));
  const others = [
    request("other", csr, "system:node:third"),
    { ...request("decided", csr), status: { conditions: [{ type: "Denied", status: "True" }] } },
  ];
  const found = await approvableOf([...wrong, ...others, request("own", csr)], joins, node);
  expect(found.map(({ metadata }) => metadata.name)).toEqual(["own"]);
});
