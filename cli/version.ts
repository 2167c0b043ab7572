/** The product's version, as package.json has it. */
export const VERSION = "0.1.0";

/** The Kubernetes API level that the apiserver serves and reports. */
export const API_LEVEL = "v1.36.0";

/** The version of kubeadm's configuration files that is read and written. */
export const KUBEADM_VERSION = "kubeadm.k8s.io/v1beta4";
