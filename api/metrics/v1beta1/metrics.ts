/** The current usage of nodes and pods, as metrics-server serves it, from the kubelets. */

import { addQuantity } from "@raft2kube/std/quantity.ts";
import { column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import type { ResourceList } from "../../gen/core/v1.ts";
import type { NodeMetrics, PodMetrics } from "../../gen/metrics/v1beta1.ts";
import type { Column, Kind, KubeObject } from "../../kind.ts";

interface Measured extends KubeObject {
  window: string;
}

/** metrics-server's columns: one for each resource, and the time that was measured. */
function columns<T extends Measured>(usageOf: (object: T) => ResourceList): Column<T>[] {
  const used = (name: string) =>
    column<T>(name, (object) => usageOf(object)[name] ?? "0", {
      format: "quantity",
      description: `Use of ${name}.`,
    });
  return [
    { ...nameColumn, name: "Name" },
    used("cpu"),
    used("memory"),
    column("Window", ({ window }) => window, {
      format: "duration",
      description: "The time between the two measurements.",
    }),
  ];
}

function sumOf({ containers }: PodMetrics): ResourceList {
  const sum: ResourceList = {};
  for (const { usage } of containers) {
    for (const [name, amount] of Object.entries(usage)) {
      sum[name] = addQuantity(sum[name] ?? "0", amount);
    }
  }
  return sum;
}

export const nodeMetrics: Kind<NodeMetrics> = defineKind<NodeMetrics>(
  "metrics/v1beta1.NodeMetrics",
  { virtual: true, columns: columns(({ usage }) => usage) },
);

export const podMetrics: Kind<PodMetrics> = defineKind<PodMetrics>("metrics/v1beta1.PodMetrics", {
  virtual: true,
  columns: columns(sumOf),
});
