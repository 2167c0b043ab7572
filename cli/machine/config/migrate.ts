import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isRecord } from "@raft2kube/std/record.ts";
import { Document, isMap, parse, stringify } from "yaml";
import { MACHINE_TEXTS_DIR } from "../../assets.ts";
import { API_LEVEL } from "../../version.ts";
import { type Fields, requireValid } from "./fields.ts";
import { documentsIn, KUBEADM_VERSION, parseKubeadmConfig } from "./kubeadm.ts";

const OLD = "kubeadm.k8s.io/";
/** Places of maps of flags, which are lists since v1beta4. */
const ARGS = [
  "apiServer.extraArgs",
  "controllerManager.extraArgs",
  "scheduler.extraArgs",
  "etcd.local.extraArgs",
  "nodeRegistration.kubeletExtraArgs",
];
/** Where the fields of v1alpha1 and v1alpha2's MasterConfiguration went, by their kind. */
const movesOf = () =>
  parse(readFileSync(join(MACHINE_TEXTS_DIR, "moved-fields.yaml"), "utf8")) as Readonly<
    Record<string, Readonly<Record<string, string>>>
  >;

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
  const document = documentOf(value);
  if (!String(apiVersion).startsWith(OLD)) return [document];
  const documents = kind === "MasterConfiguration" ? fromMaster(document, path) : [document];
  for (const each of documents) {
    each.set("apiVersion", KUBEADM_VERSION);
    if (each.get("kind") === "ClusterConfiguration") each.set("kubernetesVersion", API_LEVEL);
    for (const place of ARGS.map(namesOf)) {
      const args = each.getIn(place);
      if (isMap(args)) each.setIn(place, listed(args.toJSON() as Fields));
    }
  }
  return documents;
}

/** Divides a MasterConfiguration, of which no field may be left. */
function fromMaster(master: Document, path: string): Document[] {
  const documents = Object.entries(movesOf()).map(([kind, moves]) => {
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

const listed = (args: Fields) =>
  Object.entries(args).map(([name, value]) => ({ name, value: String(value) }));
