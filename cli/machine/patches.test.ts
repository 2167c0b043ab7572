import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { parseKubeadmConfig } from "./config/kubeadm.ts";
import { checkPatches, patchKubelet, patchPod } from "./patches.ts";
import { staticPod } from "./static-pods.ts";

let dir: string;
const put = (name: string, text: string) => writeFileSync(join(dir, name), text);
const { cluster } = parseKubeadmConfig("", "");
const values = { cluster, nodeName: "cp-1", address: "10.0.0.1", bindPort: 6443, signs: true };
const patchedPod = async (pod: "etcd" | "kube-scheduler") =>
  patchPod(dir, pod, await staticPod(pod, values));

beforeEach(() => void (dir = testFolder("r2k-patches-")));

test("patches of each type change a static pod, in order of their names", async () => {
  put(
    "kube-scheduler0.yaml",
    `
spec: { containers: [{ name: kube-scheduler, env: [{ name: A, value: one }] }] }
---
metadata: { labels: { from: second-document } }
`,
  );
  put(
    "kube-scheduler1+json.json",
    '[{"op":"replace","path":"/spec/containers/0/env/0/value","value":"two"}]',
  );
  put("kube-scheduler2+merge.yaml", "spec: { priorityClassName: null, priority: 5 }");
  put("etcd.yaml", "metadata: { labels: { of: etcd } }");
  put("README.md", "not a patch");
  const plain = (await staticPod("kube-scheduler", values)) as {
    spec: { containers: [{ command: string[] }] };
  };
  const pod = await patchedPod("kube-scheduler");
  expect(pod).toMatchObject({
    metadata: { labels: { component: "kube-scheduler", from: "second-document" } },
    spec: {
      priority: 5,
      containers: [
        { command: plain.spec.containers[0].command, env: [{ name: "A", value: "two" }] },
      ],
    },
  });
  expect(pod).not.toHaveProperty("spec.priorityClassName");
  expect(pod).not.toHaveProperty("metadata.labels.of");
});

test("the kubelet's configuration is patched, and checked", async () => {
  put("kubeletconfiguration+strategic.yaml", "maxPods: 20");
  expect(await patchKubelet(dir, { maxPods: 110, clusterDomain: "a" })).toEqual({
    maxPods: 20,
    clusterDomain: "a",
  });
  put("kubeletconfiguration1.yaml", "maxPodz: 20");
  await expect(patchKubelet(dir, {})).rejects.toThrow("the field maxPodz is not supported");
});

test("no folder changes nothing; one that is not there is refused", async () => {
  expect(await patchKubelet(undefined, { maxPods: 1 })).toEqual({ maxPods: 1 });
  await expect(checkPatches(join(dir, "absent"))).rejects.toMatchObject({ code: "PATCH" });
});

test("a patch of a pod that this control plane does not have is refused", async () => {
  put("etcd.yaml", "");
  await checkPatches(dir, ["etcd"]);
  const says = /etcd.yaml: this control plane has the static pods control-plane$/;
  await expect(checkPatches(dir, ["control-plane"])).rejects.toThrow(says);
});

test.each([
  ["corednsdeployment.yaml", "", "not supported"],
  ["kube-apiserver+apply.yaml", "", "apply is no type"],
  ["kube-scheduler+json.yaml", "- { op: remove, path: /spec/absent }", "kube-scheduler\\+json"],
  ["kube-scheduler.yaml", "spec: { containerz: [] }", "containerz"],
  ["kube-scheduler.yaml", "spec: [", "kube-scheduler.yaml"],
])("%s with %j is refused by its name", async (name, text, says) => {
  put(name, text);
  const made = async () => {
    await checkPatches(dir);
    await patchedPod("kube-scheduler");
  };
  await expect(made()).rejects.toMatchObject({
    code: "PATCH",
    message: expect.stringMatching(says) as string,
  });
});
