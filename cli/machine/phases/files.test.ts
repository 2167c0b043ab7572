import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { parseKubeadmConfig } from "../config/kubeadm.ts";
import { requireNoOther } from "../preflight.ts";
import { CONTROL_PLANE, ONE_PROCESS } from "../static-pods.ts";
import { kubeletConfigOf } from "./files.ts";

test("a phase does not add components to those of the other kind of control plane", () => {
  const dir = testFolder("r2k-manifests-");
  const pathOf = (pod: string) => join(dir, `${pod}.yaml`);
  writeFileSync(pathOf(ONE_PROCESS), "");
  requireNoOther([], pathOf);
  requireNoOther([ONE_PROCESS], pathOf);
  expect(() => requireNoOther(CONTROL_PLANE, pathOf)).toThrow("control-plane.yaml has the same");
  writeFileSync(pathOf("kube-scheduler"), "");
  expect(() => requireNoOther([ONE_PROCESS], pathOf)).toThrow("kube-scheduler.yaml has the same");
});

test("a kubelet trusts the CA in the folder of the cluster's certificates", () => {
  const config = parseKubeadmConfig(
    "apiVersion: kubeadm.k8s.io/v1beta4\n" +
      "kind: ClusterConfiguration\ncertificatesDir: /etc/other/pki\n",
    "file",
  );
  expect(kubeletConfigOf(config)).toMatchObject({
    authentication: { x509: { clientCAFile: "/etc/other/pki/ca.crt" } },
  });
});

test("containers of a cluster of init have a seccomp profile, unless it is switched off", () => {
  const configOf = (more: string) =>
    parseKubeadmConfig(
      `apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n${more}`,
      "file",
    );
  expect(kubeletConfigOf(configOf(""))).toMatchObject({ seccompDefault: true });
  expect(kubeletConfigOf(configOf("seccompDefault: false\n"))).toMatchObject({
    seccompDefault: false,
  });
});
