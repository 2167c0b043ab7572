import type { CertificateSigningRequest } from "@raft2kube/api/gen/certificates/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { RequestSubject } from "@raft2kube/pki/certificate.ts";
import { describe, expect, test } from "vitest";
import {
  autoApprovals,
  CLIENT,
  certificateTerms,
  KUBELET_CLIENT,
  KUBELET_SERVING,
  keptFor,
  signingProblem,
} from "./plan.ts";

const NODE: RequestSubject = {
  commonName: "system:node:n1",
  organizations: ["system:nodes"],
  dnsNames: [],
  ipAddresses: [],
  otherNames: [],
};
const CLIENT_USAGES = ["digital signature", "client auth"] as const;
const SERVER_USAGES = ["digital signature", "server auth"] as const;

function request(spec: Partial<CertificateSigningRequest["spec"]> = {}): CertificateSigningRequest {
  return {
    metadata: { name: "csr" },
    spec: { request: "", signerName: KUBELET_CLIENT, usages: [...CLIENT_USAGES], ...spec },
  };
}

describe("signingProblem", () => {
  test.each<[string, string, Partial<RequestSubject>, readonly string[], string | undefined]>([
    ["a kubelet's client certificate", KUBELET_CLIENT, {}, CLIENT_USAGES, undefined],
    ["not with names", KUBELET_CLIENT, { dnsNames: ["x"] }, CLIENT_USAGES, "alternative names"],
    [
      "not for masters",
      KUBELET_CLIENT,
      { organizations: ["system:masters"] },
      CLIENT_USAGES,
      "organization",
    ],
    [
      "not with a group more",
      KUBELET_CLIENT,
      { organizations: ["system:nodes", "x"] },
      CLIENT_USAGES,
      "organization",
    ],
    ["not for another user", KUBELET_CLIENT, { commonName: "admin" }, CLIENT_USAGES, "common name"],
    [
      "not without a node's name",
      KUBELET_CLIENT,
      { commonName: "system:node:" },
      CLIENT_USAGES,
      "common name",
    ],
    [
      "not with a name that no Node can have",
      KUBELET_CLIENT,
      { commonName: "system:node:N1" },
      CLIENT_USAGES,
      "common name",
    ],
    ["not to serve", KUBELET_CLIENT, {}, SERVER_USAGES, "client auth"],
    ["not to serve besides", KUBELET_CLIENT, {}, [...CLIENT_USAGES, "server auth"], "server auth"],
    [
      "a kubelet's serving certificate",
      KUBELET_SERVING,
      { ipAddresses: ["10.0.0.1"] },
      SERVER_USAGES,
      undefined,
    ],
    ["serving needs a name", KUBELET_SERVING, {}, SERVER_USAGES, "DNS name"],
    [
      "serving has no email",
      KUBELET_SERVING,
      { dnsNames: ["n1"], otherNames: ["email:a@b"] },
      SERVER_USAGES,
      "email:a@b",
    ],
    [
      "any client",
      CLIENT,
      { commonName: "jane", organizations: ["dev"] },
      CLIENT_USAGES,
      undefined,
    ],
  ])("%s", (_name, signer, subject, usages, problem) => {
    const found = signingProblem(signer, { ...NODE, ...subject }, usages);
    if (problem === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(problem);
  });
});

describe("autoApprovals", () => {
  const asked = (spec: Partial<CertificateSigningRequest["spec"]>, subject = NODE) =>
    autoApprovals(request(spec), subject).map(({ subresource }) => subresource);
  test("a node renews its own, a joining one gets its first, others wait for a person", () => {
    expect(asked({ username: "system:node:n1" })).toEqual(["selfnodeclient", "nodeclient"]);
    expect(asked({ username: "system:bootstrap:abc" })).toEqual(["nodeclient"]);
    expect(asked({ signerName: KUBELET_SERVING })).toEqual([]);
    expect(asked({}, { ...NODE, organizations: ["system:masters"] })).toEqual([]);
  });
});

test("life is bounded on both sides", () => {
  const days = (expirationSeconds?: number) =>
    certificateTerms(request(expirationSeconds === undefined ? {} : { expirationSeconds })).days;
  expect(days()).toBe(365);
  expect(days(10)).toBe(600 / 86_400);
  expect(days(86_400)).toBe(1);
  expect(days(1e9)).toBe(365);
});

test("undecided requests are kept for a day, decided ones for an hour", () => {
  const now_ms = Date.parse("2026-01-02T00:00:00Z");
  const creationTimestamp = timeText(now_ms - 2 * 3_600_000);
  const made = { ...request(), metadata: { name: "csr", creationTimestamp } };
  expect(keptFor(made, now_ms)).toBe(22 * 3_600_000);
  const denied = { type: "Denied", status: "True", lastUpdateTime: timeText(now_ms - 60_000) };
  expect(keptFor({ ...made, status: { conditions: [denied] } }, now_ms)).toBe(59 * 60_000);
  const approved = { ...denied, type: "Approved" };
  const waiting = { ...made, status: { conditions: [approved] } };
  expect(keptFor(waiting, now_ms)).toBe(24 * 3_600_000 - 60_000);
  const issued = { ...made, status: { conditions: [approved], certificate: "x" } };
  expect(keptFor(issued, now_ms)).toBe(59 * 60_000);
});
