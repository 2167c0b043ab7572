import type { Ingress } from "@raft2kube/api/gen/networking/v1.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionPlugin, concerns } from "../plugin.ts";
import { defaultClassOf } from "./default-class.ts";

const DEFAULT = "ingressclass.kubernetes.io/is-default-class";
/** How an Ingress named its class before there was a field. */
const CLASS = "kubernetes.io/ingress.class";

/** An Ingress that names no class gets the default one. */
export function defaultIngressClass(context: AdmissionContext): AdmissionPlugin {
  const classes = context.resources.of("networking.k8s.io/v1", "ingressclasses");
  return {
    name: "DefaultIngressClass",
    async admit(request) {
      if (request.operation !== "CREATE") return;
      if (!concerns(request, "networking.k8s.io", "ingresses")) return;
      const { metadata, spec } = request.object as Ingress;
      if (spec === undefined || spec.ingressClassName !== undefined) return;
      if (metadata?.annotations?.[CLASS] !== undefined) return;
      const name = await defaultClassOf(classes, (object) => {
        return object.metadata.annotations?.[DEFAULT] === "true";
      });
      if (name !== undefined) spec.ingressClassName = name;
    },
  };
}
