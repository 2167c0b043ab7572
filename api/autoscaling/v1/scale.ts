/** Scale: the number of replicas of anything that has one, through one small object. */

import { ageColumn, column, nameColumn } from "../../columns.ts";
import { type FieldError, invalid } from "../../errors.ts";
import type { Scale } from "../../gen/autoscaling/v1.ts";
import type { KubeObject, Printed, View } from "../../kind.ts";
import { formatLabelTerms, type LabelTerms } from "../../selector.ts";

/** A kind with replicas, as all of them have these. */
interface Scalable extends KubeObject {
  spec: { replicas?: number };
  status?: { replicas?: number };
}

/** How a Scale is printed; nothing is known of it as a kind of its own. */
export const printedScale: Printed<Scale> = {
  group: "autoscaling",
  kind: "Scale",
  listKind: "ScaleList",
  columns: [
    { ...nameColumn, format: "" },
    column("Desired", ({ spec }) => spec?.replicas ?? 0, { type: "integer" }),
    column("Available", ({ status }) => status?.replicas ?? 0, { type: "integer" }),
    ageColumn,
  ],
};

/**
 * The `/scale` view of a kind, by the labels of its pods. The resourceVersion it carries is that of
 * its parent.
 */
export const scaleView = <T extends Scalable>(podsOf: (object: T) => LabelTerms): View<T> => ({
  read(object): Scale {
    const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
    const selector = formatLabelTerms(podsOf(object));
    return {
      kind: "Scale",
      apiVersion: "autoscaling/v1",
      metadata: {
        ...(name === undefined ? {} : { name }),
        ...(namespace === undefined ? {} : { namespace }),
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
        ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
      },
      spec: object.spec.replicas ? { replicas: object.spec.replicas } : {},
      status: { replicas: object.status?.replicas ?? 0, ...(selector === "" ? {} : { selector }) },
    };
  },
  write(object, view): FieldError[] {
    const replicas = (view as Scale).spec?.replicas ?? 0;
    if (replicas < 0) {
      return [invalid("spec.replicas", replicas, "must be greater than or equal to 0")];
    }
    object.spec.replicas = replicas;
    return [];
  },
});
