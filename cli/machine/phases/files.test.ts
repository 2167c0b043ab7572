import { expect, test } from "vitest";
import { parseKubeadmConfig } from "../config/kubeadm.ts";
import { kubeletConfigOf } from "./files.ts";

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
