import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Kind } from "@raft2kube/api/kind.ts";
import { KINDS, kindOf } from "@raft2kube/api/kinds.ts";
import { parseApiVersion } from "@raft2kube/apimachinery/group-version.ts";
import { parseAllDocuments } from "yaml";
import { AS_UPSTREAM } from "../../../../../testing/apiserver/as-upstream.ts";
import type { Case } from "../recorder.ts";

interface Made {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  status?: object;
}

const FILE = join(import.meta.dirname, "columns.yaml");
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

const pathOf = ({ group, version, plural, namespaced }: Kind) => {
  const groupVersion = group === "" ? version : `${group}/${version}`;
  if (namespaced) return group === "" ? plural : `${groupVersion}:${plural}`;
  return `${group === "" ? "/api" : "/apis"}/${groupVersion}/${plural}`;
};

const objectsOf = (group: string): Made[] =>
  parseAllDocuments(readFileSync(FILE, "utf8"))
    .map((document) => document.toJS() as Made)
    .filter(({ apiVersion }) => parseApiVersion(apiVersion)!.group === group);

/** Kinds that are kept, group by group, and have objects in the file. */
const groups = Map.groupBy(
  KINDS.filter((kind) => kind.verbs.includes("list") && AS_UPSTREAM(kind)),
  ({ group }) => group,
);

/** `get` and `get -o wide`: the columns of a kind, and what stands in them. */
export const COLUMNS: readonly Case[] = [...groups].map(([group, kinds]) => ({
  name: `columns: ${group || "core"}`,
  async run({ post, patch, get }) {
    for (const { status, ...object } of objectsOf(group)) {
      const kind = kindOf(group, parseApiVersion(object.apiVersion)!.version, object.kind)!;
      const path = pathOf(kind);
      await post(path, object);
      if (status) await patch(`${path}/${object.metadata.name}/status`, "merge", { status });
    }
    for (const kind of kinds) {
      const mine = kind.namespaced ? "" : "?labelSelector=columns";
      await get(`${pathOf(kind)}${mine}`, { accept: TABLE });
    }
  },
}));
