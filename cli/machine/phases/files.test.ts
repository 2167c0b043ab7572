import { expect, test } from "vitest";
import { parseKubeadmConfig } from "../config/kubeadm.ts";
import { kubeletConfigOf } from "./files.ts";

test("a kubelet trusts the CA in the folder of the cluster's certificates", () => {
  const config = parseKubeadmConfig("apiVersion: kubeadm.k8s.io/v1beta4\n" +
    "kind: ClusterConfiguration\ncertificatesDir: /etc/other/pki\n", "file");
  expect(kubeletConfigOf({ config })).toMatchObject({
    authentication: { x509: { clientCAFile: "/etc/other/pki/ca.crt" } },
  });
});
