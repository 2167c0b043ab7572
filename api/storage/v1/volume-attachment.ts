/** VolumeAttachment: the wish that a volume be attached to a node. */

import { ageColumn, column, nameColumn } from "../../columns.ts";
import { validateInlineVolume } from "../../core/v1/persistent-volume.ts";
import { validateDriverName } from "../../core/v1/pod/validate-volumes.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, forbidden, required } from "../../errors.ts";
import type { VolumeAttachment } from "../../gen/storage/v1.ts";
import type { Kind } from "../../kind.ts";
import { invalidBy } from "../../validation/checks.ts";
import { immutable } from "../../validation/metadata.ts";
import { dnsSubdomain } from "../../validation/names.ts";

function validate({ spec }: VolumeAttachment): FieldError[] {
  const errors = validateDriverName(spec.attacher, "spec.attacher");
  const { persistentVolumeName: name, inlineVolumeSpec: inline } = spec.source;
  if (inline === undefined && name === undefined) {
    const rule = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    errors.push(required("spec.source", rule));
  }
  const path = "spec.source.persistentVolumeName";
  if (name === "") errors.push(required(path, "must specify non empty persistentVolumeName"));
  if (name !== undefined) errors.push(...invalidBy(dnsSubdomain, path, name));
  if (inline !== undefined && name !== undefined) {
    const rule = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    errors.push(forbidden("spec.source", rule));
  } else if (inline !== undefined) {
    errors.push(...validateInlineVolume(inline, "spec.source.inlineVolumeSpec"));
  }
  errors.push(...invalidBy(dnsSubdomain, "spec.nodeName", spec.nodeName));
  return errors;
}

export const volumeAttachment: Kind<VolumeAttachment> = defineKind<VolumeAttachment>(
  "storage/v1.VolumeAttachment",
  {
    unconditionalUpdate: false,
    validate,
    validateUpdate: (object, old) => immutable("spec", object.spec, old.spec),
    columns: [
      nameColumn,
      column("Attacher", (object) => object.spec.attacher, { format: "name" }),
      column("PV", (object) => object.spec.source.persistentVolumeName ?? ""),
      column("Node", (object) => object.spec.nodeName),
      column("Attached", (object) => object.status?.attached ?? false, { type: "boolean" }),
      ageColumn,
    ],
  },
);
