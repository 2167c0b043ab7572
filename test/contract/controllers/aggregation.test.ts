import { CLUSTER_ROLES } from "@raft2kube/client-kube/rest/resources.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";

let plane: ControlPlane;

beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

test("a role labelled for `view` adds to it, and so to `edit` and `admin`", async () => {
  const roles = plane.admin.resource(CLUSTER_ROLES);
  const labels = { "rbac.authorization.k8s.io/aggregate-to-view": "true" };
  const rules = [{ apiGroups: ["r2k.test"], resources: ["things"], verbs: ["get"] }];
  await roles.create({ metadata: { name: "things", labels }, rules });
  const has = async (name: string) => {
    const { rules: found = [] } = await roles.get({ name });
    return found.some(({ apiGroups }) => apiGroups?.includes("r2k.test"));
  };
  for (const name of ["view", "edit", "admin"]) await waitFor(name, () => has(name));
  await roles.delete({ name: "things" });
  await waitFor("view without it", async () => !(await has("view")));
  expect((await roles.get({ name: "view" })).rules).not.toHaveLength(0);
});
