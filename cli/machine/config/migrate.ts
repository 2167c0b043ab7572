import { isRecord } from "@raft2kube/std/record.ts";
import { Document, stringify } from "yaml";
import { API_LEVEL, KUBEADM_VERSION } from "../../version.ts";
import { tableIn } from "../texts.ts";
import { type Fields, requireValid } from "./fields.ts";
import { documentsIn, parseKubeadmConfig } from "./kubeadm.ts";

/** Where the fields of MasterConfiguration went, by the kinds that have them now. */
type Moves = Readonly<Record<string, Readonly<Record<string, string>>>>;

/**
 * Rewrites documents of v1beta3, and MasterConfiguration of v1alpha1 and v1alpha2, as v1beta4. The
 * version becomes this product's. Throws CommandError `CONFIG` naming what has no place there, or
 * is not supported.
 */
export function migrateConfig(text: string, path: string): string {
  const documents = documentsIn(text, path).flatMap((value) => migrated(value, path));
  const result = documents.map((document) => stringify(document.toJS())).join("---\n");
  parseKubeadmConfig(result, path);
  return result;
}

function migrated(value: Fields, path: string): Document[] {
  const { apiVersion, kind } = value;
  if (!String(apiVersion).startsWith("kubeadm.k8s.io/")) return [documentOf(value)];
  const document = documentOf(withLists(value));
  const documents = kind === "MasterConfiguration" ? fromMaster(document, path) : [document];
  for (const each of documents) {
    each.set("apiVersion", KUBEADM_VERSION);
    if (each.get("kind") === "ClusterConfiguration") each.set("kubernetesVersion", API_LEVEL);
  }
  return documents;
}

/** Divides a MasterConfiguration, of which no field may be left. */
function fromMaster(master: Document, path: string): Document[] {
  const documents = Object.entries(tableIn<Moves>("moved-fields.yaml")).map(([kind, moves]) => {
    const document = documentOf({ apiVersion: KUBEADM_VERSION, kind });
    for (const [from, to] of Object.entries(moves)) {
      const found = master.getIn(namesOf(from));
      if (found === undefined) continue;
      document.setIn(namesOf(to), found);
      master.deleteIn(namesOf(from));
    }
    return document;
  });
  const { apiVersion: _, kind: __, ...rest } = master.toJS() as Fields;
  const left = Object.entries(rest).filter(([, value]) => {
    return !isRecord(value) || Object.keys(value).length > 0;
  });
  requireValid(
    `${path}: MasterConfiguration`,
    left.map(([name]) => `the field ${name} is unknown`),
  );
  return documents;
}

/** A document in which values can be moved: without aliases. */
const documentOf = (value: Fields) => new Document(value, { aliasDuplicateObjects: false });

/** The names of a dotted path; numbers are places in lists. */
const namesOf = (path: string) =>
  path.split(".").map((name) => (/^\d+$/.test(name) ? Number(name) : name));

/** Flags are lists since v1beta4, and were maps. */
const withLists = (old: Fields) =>
  JSON.parse(JSON.stringify(old), (field, args: unknown) => {
    if (!/extraArgs$/i.test(field) || !isRecord(args)) return args;
    return Object.entries(args).map(([name, value]) => ({ name, value: String(value) }));
  }) as Fields;
