import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import type { Fields } from "./fields.ts";
import { checkKubeletConfig, kubeletOptions, podsCgroupIn } from "./kubelet-config.ts";

test.each([
  [undefined, "/kubepods"],
  ["", "/kubepods"],
  ["/", "/kubepods"],
  ["/a.slice", "/a.slice/kubepods"],
])(
  "with the cgroup root %s pods have a group of their own, which reset removes",
  (cgroupRoot, group) => {
    const config = cgroupRoot === undefined ? {} : { cgroupRoot };
    expect(kubeletOptions(config).cgroupRoot).toBe(group);
    expect(podsCgroupIn(JSON.stringify(config))).toBe(group);
  },
);

test.each(["kubepods", "/a/../..", 7])("the cgroup root %j is refused", (cgroupRoot) => {
  expect(() => checkKubeletConfig("file", { cgroupRoot })).toThrow("cgroupRoot");
});

test.each([undefined, "a: [}", "[]", "cgroupRoot: ..", "cgroupRoot: []"])(
  "with the file %j reset removes the group that pods have by default",
  (text) => expect(podsCgroupIn(text)).toBe("/kubepods"),
);

test.each([
  [{ authentication: { webhook: { enabled: false } } }, "authentication.webhook.enabled false"],
  [{ authentication: { webhook: { cacheTTL: "2m0s" } } }, "authentication.webhook.cacheTTL 2m0s"],
])("%j, which has no effect, is refused by name", (fields, says) => {
  expect(() => checkKubeletConfig("kubelet", fields)).toThrow(says);
});

test.each([
  "enableDebuggingHandlers: false",
  "enableServer: false",
  "registerNode: false",
  "cpuCFSQuota: false",
  "serializeImagePulls: false",
  "eventRecordQPS: 0",
  "registryPullQPS: 0",
  "oomScoreAdj: 0",
  'reservedSystemCPUs: "0"',
  "featureGates: { Some: false }",
  'systemReserved: { cpu: "0" }',
])("%s is a choice, which is refused by name", (text) => {
  const fields = parse(text) as Fields;
  const says = new RegExp(`the field ${Object.keys(fields)[0]}(\\.\\w+)? is not supported`);
  expect(() => checkKubeletConfig("kubelet", fields)).toThrow(says);
});

test.each([
  "laterField: { a: 0s }",
  "failSwapOn: false",
  "enableServer: null",
  "featureGates: {}",
  "readOnlyPort: 0",
])("%s is what the kubelet does, and accepted", (text) =>
  expect(() => checkKubeletConfig("kubelet", parse(text) as Fields)).not.toThrow(),
);

test.each(["", null])("healthzBindAddress %j is not set", (healthzBindAddress) => {
  const fields = { healthzBindAddress, healthzPort: null };
  expect(kubeletOptions(checkKubeletConfig("kubelet", fields)).healthz).toEqual({
    host: "127.0.0.1",
    port: 10_248,
  });
});

test("the file that kubeadm writes for a kubelet is read", () => {
  const file = join(import.meta.dirname, "testdata/kubeadm-kubelet.yaml");
  const config = checkKubeletConfig(file, parse(readFileSync(file, "utf8")) as Fields);
  expect(kubeletOptions(config)).toMatchObject({
    staticPodDir: "/etc/kubernetes/manifests",
    clusterDns: ["10.96.0.10"],
    healthz: { host: "127.0.0.1", port: 10_248 },
  });
  expect(kubeletOptions({ ...config, healthzPort: 0 })).not.toHaveProperty("healthz");
});
