import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { ADDONS_DIR } from "../../../cli/assets.ts";
import { requireNodeRights } from "../../../cli/machine/join.ts";
import { fileControlPlane } from "./file-control-plane.ts";

const plane = fileControlPlane([]);
const TOKEN = ["system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token"];

/** Creates the objects of a manifest of RBAC. */
async function create(file: string): Promise<void> {
  const text = await readFile(join(ADDONS_DIR, file), "utf8");
  for (const document of parseAllDocuments(text)) {
    const body = document.toJS() as { kind: string };
    const path = `/apis/rbac.authorization.k8s.io/v1/${body.kind.toLowerCase()}s`;
    await plane.admin.request({ method: "POST", path, body });
  }
}

test("a token sees what nodes may not, until the cluster has the manifests", async () => {
  const connection = await plane.connection("system:bootstrap:abcdef", TOKEN);
  const client = new KubeClient({ ...connection, clock: plane.clock });
  try {
    await expect(requireNodeRights(client)).rejects.toMatchObject({
      code: "RIGHTS",
      message: expect.stringMatching("list nodes, networkpolicies, end") as string,
    });
    await create("06-overlay.yaml");
    const missing = "nodes list networkpolicies, endpointslices: ";
    await plane.eventually("the rights of the overlay", async () => {
      const failure = await requireNodeRights(client).catch(messageOf);
      return failure?.includes(missing) || undefined;
    });
    await create("07-network-policy.yaml");
    await plane.eventually("the rights of network policies", async () => {
      await requireNodeRights(client);
      return true;
    });
  } finally {
    client.close();
  }
});
