import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { fileApiserver } from "../../../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../../../testing/wait.ts";
import { CASES } from "./cases.ts";
import { exchange, type Outcome } from "./exchange.ts";

/** The answers of kube-apiserver 1.36, recorded by `record.ts`. */
const RECORDED = JSON.parse(
  readFileSync(join(import.meta.dirname, "recorded.json"), "utf8"),
) as Record<string, Outcome>;

const CORE = "/api/v1/namespaces/default";
const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const server = fileApiserver();
let token: string;

beforeAll(async () => {
  const post = (path: string, body: object) => server.ask(path, { method: "POST", body });
  await post(`${CORE}/configmaps?fieldManager=m`, { metadata: { name: "one" }, data: { a: "b" } });
  await post(`${CORE}/serviceaccounts`, { metadata: { name: "watcher" } });
  await post(`${RBAC}/clusterrolebindings`, {
    metadata: { name: "watcher" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
    subjects: [{ kind: "ServiceAccount", namespace: "default", name: "watcher" }],
  });
  const answer = await post(`${CORE}/serviceaccounts/watcher/token`, { spec: {} });
  token = (JSON.parse(answer.body) as { status: { token: string } }).status.token;
  const headers = { authorization: `Bearer ${token}` };
  const allowed = async () =>
    (await server.ask(`${CORE}/configmaps`, { headers, cert: "", key: "" })).status === 200;
  await waitFor("the right to watch", allowed);
});

it.each(CASES.map((each) => [each.what, each] as const))("%s", async (what, each) => {
  const { port } = server.api.apiserver.address;
  // Fields that were not recorded are undefined, which JSON leaves out.
  const outcome = await exchange({ port, token }, each);
  expect(JSON.parse(JSON.stringify(outcome))).toEqual(RECORDED[what]);
});

it("what has been recorded is what is asked", () => {
  expect(Object.keys(RECORDED)).toEqual(CASES.map(({ what }) => what));
});
