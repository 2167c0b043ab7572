import type { Serves } from "@raft2kube/apiserver/resource/runtime-config.ts";

/** The kinds of kube-apiserver alone: upstream's metrics API is another server's. */
export const AS_UPSTREAM: Serves = ({ group }) => group !== "metrics.k8s.io";
