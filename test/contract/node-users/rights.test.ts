import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Deployment } from "@raft2kube/api/gen/apps/v1.ts";
import { NODE_PARTS, nodeUser } from "@raft2kube/api/node-users.ts";
import { assemble, type Stop } from "@raft2kube/apiserver/assemble.ts";
import { aboutResource } from "@raft2kube/apiserver/authz/attributes.ts";
import type { Authorizer } from "@raft2kube/apiserver/authz/authorizer.ts";
import { readManifests } from "@raft2kube/cli/apply/add-ons.ts";
import { DASHBOARD_ADDONS_DIR, INGRESS_ADDONS_DIR } from "@raft2kube/cli/assets.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { clusterApiserver } from "./cluster-apiserver.ts";

const cluster = clusterApiserver();
/** Decides as that of the server: thousands of questions need no requests. */
let authorizer: Authorizer;
let stops: readonly Stop[] = [];
const NODE = "n1";
const NAMESPACES = ["default", "kube-node-lease", "kube-public", "kube-system"];
const READS = ["get", "list", "watch"];

/** A kind of object about which it can be asked what a user may do. */
interface Askable {
  readonly group: string;
  /** Resource with its subresource: `pods/status`. */
  readonly resource: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
}

/** Rights that discovery does not list, and reads by which programs are run. */
const UNLISTED: readonly Askable[] = [
  ...["users", "groups", "serviceaccounts"].map((resource) => ({
    group: "",
    resource,
    namespaced: true,
    verbs: ["impersonate"],
  })),
  ...["roles", "clusterroles"].map((resource) => ({
    group: "rbac.authorization.k8s.io",
    resource,
    namespaced: true,
    verbs: ["bind", "escalate"],
  })),
  {
    group: "certificates.k8s.io",
    resource: "signers",
    namespaced: false,
    verbs: ["approve", "attest", "sign"],
  },
  ...["attach", "exec", "portforward", "proxy"].map((part) => ({
    group: "",
    resource: `pods/${part}`,
    namespaced: true,
    verbs: ["get"],
  })),
  ...["nodes/proxy", "services/proxy"].map((resource) => ({
    group: "",
    resource,
    namespaced: resource.startsWith("s"),
    verbs: ["get"],
  })),
];

async function askable(): Promise<Askable[]> {
  const get = async <T>(path: string) => JSON.parse((await cluster.send("admin", path)).body) as T;
  const { groups } = await get<{
    groups: { name: string; versions: { groupVersion: string }[] }[];
  }>("/apis");
  const served = groups.flatMap(({ name, versions }) =>
    versions.map(({ groupVersion }) => ({ group: name, path: `/apis/${groupVersion}` })),
  );
  const found = new Map<string, Askable>();
  for (const { group, path } of [{ group: "", path: "/api/v1" }, ...served]) {
    const { resources } = await get<{ resources: (Omit<Askable, "group"> & { name: string })[] }>(
      path,
    );
    for (const { name: resource, namespaced, verbs } of resources) {
      const writes = verbs.filter((verb) => !READS.includes(verb));
      found.set(`${group}/${resource}`, { group, resource, namespaced, verbs: writes });
    }
  }
  return [...found.values(), ...UNLISTED];
}

/** The objects of a node's pods have its name here, as its own: only of those it may write some. */
function targetsOf({ namespaced }: Askable): { namespace?: string; name?: string }[] {
  if (!namespaced) return [{}, { name: NODE }];
  return [{}, ...NAMESPACES.map((namespace) => ({ namespace, name: NODE }))];
}

async function isAllowed(
  [user, group]: readonly [string, string],
  asked: Omit<Askable, "verbs">,
  verb: string,
): Promise<boolean> {
  const [resource = "", subresource = ""] = asked.resource.split("/");
  const { group: apiGroup } = asked;
  const who = { name: user, uid: "", groups: [group, "system:authenticated"], extra: {} };
  for (const target of targetsOf({ ...asked, verbs: [] })) {
    const attributes = { user: who, verb, group: apiGroup, resource, subresource, ...target };
    if ((await authorizer.decide(aboutResource(attributes))).verdict === "allow") return true;
  }
  return false;
}

/** The rights of the users that others lack, reading apart: `PART | RESOURCE | VERBS`. */
async function rights(): Promise<string[]> {
  const users = NODE_PARTS.map((part) => {
    const { name, group } = nodeUser(part, NODE);
    return { part, user: [name, group] as const };
  });
  const rows = await Promise.all(
    (await askable()).map(async (each) => {
      const resource = each.group === "" ? each.resource : `${each.group}/${each.resource}`;
      const allowed = new Map<string, string[]>();
      for (const verb of each.verbs) {
        const parts: string[] = [];
        for (const { part, user } of users) {
          if (await isAllowed(user, each, verb)) parts.push(part);
        }
        if (parts.length > 0 && (await isAllowed(["nobody", "nothing"], each, verb))) continue;
        for (const part of parts) allowed.set(part, [...(allowed.get(part) ?? []), verb]);
      }
      const row = (part: string, verbs: string[]) => `${part} | ${resource} | ${verbs.join(", ")}`;
      return [...allowed].map(([part, verbs]) => row(part, verbs.sort()));
    }),
  );
  return rows.flat().sort();
}

/** The rows of the table in docs/SECURITY.md, without what bounds them. */
function documented(): string[] {
  const text = readFileSync(join(import.meta.dirname, "../../../docs/SECURITY.md"), "utf8");
  const [, after = ""] = text.split("\n## What a node's credentials may write\n");
  const rows = after.split("\n## ")[0]!.matchAll(/^\| (\S+) \| `(\S+)` \| ([a-z, ]+) \|/gm);
  return [...rows].map(([, part, resource, verbs]) => `${part} | ${resource} | ${verbs}`).sort();
}

beforeAll(async () => {
  const metadata = { name: NODE };
  const path = (plural: string) => `/api/v1/namespaces/default/${plural}`;
  await cluster.make(path("serviceaccounts"), { metadata });
  await cluster.make(path("secrets"), { metadata });
  await cluster.make(path("configmaps"), { metadata });
  const resources = { requests: { storage: "1Gi" } };
  await cluster.make(path("persistentvolumeclaims"), {
    metadata,
    spec: { accessModes: ["ReadWriteOnce"], resources, volumeName: NODE },
  });
  await cluster.make("/apis/resource.k8s.io/v1/resourceslices", {
    metadata,
    spec: {
      driver: "r2k.test",
      nodeName: NODE,
      devices: [{ name: "d" }],
      pool: { name: NODE, generation: 1, resourceSliceCount: 1 },
    },
  });
  const volumes = [
    { name: "s", secret: { secretName: NODE } },
    { name: "c", configMap: { name: NODE } },
    { name: "v", persistentVolumeClaim: { claimName: NODE } },
  ];
  await cluster.make(path("pods"), {
    metadata,
    spec: {
      nodeName: NODE,
      serviceAccountName: NODE,
      containers: [{ name: "c", image: "i" }],
      volumes,
    },
  });
  const never = new AbortController().signal;
  const { server, ...more } = await assemble(cluster.server.api.options, {
    leaving: never,
    closing: never,
  });
  ({ authorizer } = server);
  ({ stops } = more);
});
afterAll(async () => {
  for (const stop of stops) await stop();
});

it("SECURITY.md lists everything that a node's credentials may write", async () => {
  expect(documented()).toEqual(await rights());
});

it.each([
  ["the ingress controller, which reads all Secrets,", INGRESS_ADDONS_DIR],
  ["the dashboard, which has its users' tokens,", DASHBOARD_ADDONS_DIR],
])("%s runs on the first node alone", (_what, folder) => {
  const [file = ""] = readdirSync(folder);
  const manifests = readManifests(readFileSync(join(folder, file), "utf8"), file, {
    nodeName: "n0",
  });
  const deployments = manifests.filter(
    ({ kind }) => kind === "Deployment",
  ) as unknown as Deployment[];
  const places = deployments.map(({ spec }) => spec.template.spec?.nodeSelector);
  expect(places).toEqual([{ "kubernetes.io/hostname": "n0" }]);
});
