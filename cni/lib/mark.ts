/**
 * Start of the second line of each executable that this package builds, before the plugin's name.
 */
export const BUILD_MARK = "// raft2kube cni plugin 0.1.0: ";
