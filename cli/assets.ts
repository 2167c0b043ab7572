import { join } from "node:path";

/** The directory of bootstrap.mjs, which it passes; else two levels above this file. */
export const ROOT_DIR = process.env["R2K_ROOT"] ?? join(import.meta.dirname, "..");

/** Manifests that every cluster gets. */
export const ADDONS_DIR = join(ROOT_DIR, "cli/addons");

/** Manifests that every node beside the first gets. */
export const NODE_ADDONS_DIR = join(ADDONS_DIR, "node");

/** Manifests that a node with an NFS server brings. */
export const NFS_ADDONS_DIR = join(ADDONS_DIR, "nfs");

/** The ingress controller. */
export const INGRESS_ADDONS_DIR = join(ADDONS_DIR, "ingress");

/** The dashboard in the cluster. */
export const DASHBOARD_ADDONS_DIR = join(ADDONS_DIR, "dashboard");

/** The CRDs of the Gateway API, and what they need beside the ingress controller. */
export const GATEWAY_ADDONS_DIR = join(ADDONS_DIR, "gateway");

/** Manifests for people to try. */
export const EXAMPLES_DIR = join(ROOT_DIR, "examples");

/** The shell script that starts a process again when it has ended. */
export const SUPERVISOR_SCRIPT = join(ROOT_DIR, "cli/supervisor/supervise.sh");

/** The dashboard's page, where its sources are not. */
export const DASHBOARD_DIR = join(ROOT_DIR, ".cache/dashboard");

/** Bundled CNI plugins, one executable file each. */
export const PLUGINS_DIR = join(ROOT_DIR, ".cache/cni");

/** Manifests of the control plane's static pods. */
export const STATIC_PODS_DIR = join(ROOT_DIR, "cli/machine/static-pods");

/** Texts and tables of `init` and `join`. */
export const MACHINE_TEXTS_DIR = join(ROOT_DIR, "cli/machine/texts");

/** Manifests that `init` applies. */
export const MACHINE_ADDONS_DIR = join(ROOT_DIR, "cli/machine/addons");
