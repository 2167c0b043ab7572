import { expect, test } from "vitest";
import { nodeFaults, parseVersion, requireUpgradable, upgradeFaults } from "./versions.ts";

const found = (cluster: string, kubelets: Record<string, string> = {}, apiServer = cluster) => ({
  cluster,
  apiServer,
  kubelets: new Map(Object.entries(kubelets)),
  unready: [] as string[],
});

test.each([
  ["the next minor version", "v1.36.0", found("v1.35.4", { a: "v1.35.4", b: "v1.33.0" })],
  ["the same version again", "v1.36.0", found("v1.36.0", { a: "v1.36.0" }, "v1.36.0+r2k")],
  ["one that ended after the API server", "v1.36.0", found("v1.35.0", {}, "v1.36.0+r2k")],
])("%s is possible", (_, target, versions) => {
  expect(upgradeFaults(target, versions)).toEqual([]);
});

test.each([
  ["a version back", "v1.36.0", found("v1.36.1"), /v1.36.1, newer than v1.36.0.*never goes back/],
  ["behind the API server", "v1.36.0", found("v1.35.0", {}, "v1.37.0"), /newer/],
  ["two minor versions", "v1.36.0", found("v1.34.9"), /more than one .* v1.35 first/],
  ["another major version", "v2.0.0", found("v1.36.0"), /more than one minor/],
  ["a kubelet four behind", "v1.36.0", found("v1.35.0", { n: "v1.32.9" }), /n is v1.32.9.*v1.33/],
  ["a newer kubelet", "v1.36.0", found("v1.36.0", { n: "v1.36.1" }), /n is v1.36.1, newer/],
  ["a kubelet of no version", "v1.36.0", found("v1.36.0", { n: "x" }), /n reports no version/],
])("%s is refused", (_, target, versions, reason) => {
  expect(upgradeFaults(target, versions).join()).toMatch(reason);
});

test("a control plane node that is not Ready has its own remedy; versions come first", () => {
  const unready = ["cp-2"];
  const run = (cluster: string) => requireUpgradable("v1.36.0", { ...found(cluster), unready });
  expect(() => run("v1.36.0")).toThrow(
    expect.objectContaining({
      message: "control plane nodes are not Ready: cp-2",
      remedy: expect.stringContaining("kubectl delete node"),
      exitCode: 1,
    }),
  );
  expect(() => run("v1.37.0")).toThrow(expect.objectContaining({ exitCode: 2 }));
  expect(() => requireUpgradable("v1.36.0", found("v1.36.0"))).not.toThrow();
});

test("a node follows the control plane, and never passes it", () => {
  expect(nodeFaults("v1.36.0", "v1.36.0")).toEqual([]);
  expect(nodeFaults("v1.36.0", "v1.35.0").join()).toContain("comes first");
  expect(nodeFaults("v1.36.0", "v1.37.0").join()).toContain("never goes back");
});

test("what is no version is refused by its text", () => {
  expect(parseVersion("1.36.2")).toEqual({ major: 1, minor: 36, patch: 2 });
  expect(() => parseVersion("latest")).toThrow('"latest" is no version');
});
