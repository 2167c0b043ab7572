/** Certificates start a little in the past, for members whose clocks are behind. */
export const BACKDATE_MS = 300_000;

/**
 * The ConfigMap of the nodes that were removed: by a node's name the time of its removal in RFC
 * 3339. The API server refuses the certificates that the users of this node got before.
 */
export const REMOVED_NODES = { namespace: "kube-system", name: "r2k-removed-nodes" };
