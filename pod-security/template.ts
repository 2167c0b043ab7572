import type { PodSpec } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { Judged } from "./finding.ts";

/** Where kinds that make pods keep the template. */
export const TEMPLATES: Readonly<Record<string, (object: KubeObject) => Template | undefined>> = {
  "/podtemplates": (object) => (object as Made).template,
  "/replicationcontrollers": ofSpec,
  "apps/replicasets": ofSpec,
  "apps/deployments": ofSpec,
  "apps/statefulsets": ofSpec,
  "apps/daemonsets": ofSpec,
  "batch/jobs": ofSpec,
  "batch/cronjobs": (object) => (object as Made).spec?.jobTemplate?.spec?.template,
};

type Template = { metadata?: Judged["metadata"]; spec?: PodSpec };

interface Made extends KubeObject {
  template?: Template;
  spec?: { template?: Template; jobTemplate?: { spec?: { template?: Template } } };
}

function ofSpec(object: KubeObject): Template | undefined {
  return (object as Made).spec?.template;
}
