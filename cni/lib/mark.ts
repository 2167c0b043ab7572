/**
 * Begins the second line of each executable that this package builds; the plugin's name follows.
 */
export const BUILD_MARK = "// raft2kube cni plugin 0.1.0: ";
