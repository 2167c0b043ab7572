import { API_LEVEL } from "../version.ts";

/** Tags of the images that have versions of their own, as kubeadm of this level writes them. */
const ETCD_TAG = "3.6.8-0";
const COREDNS_TAG = "v1.14.2";
const PAUSE_TAG = "3.10.2";

export const IMAGE_REPOSITORY = "registry.k8s.io";

/** A component's image: its program has the component's name, in /usr/local/bin. */
export interface ReleaseImage {
  /** The name below the repository, with the tag. */
  readonly name: string;
  /** Words that `r2k` gets before the program's own arguments; absent: it is not the product. */
  readonly words?: readonly string[];
  /**
   * V8's size of a semi-space in MiB (default 16), which it does not release until it idles for
   * minutes; absent: 1, enough for a program of few requests.
   */
  readonly semiSpace_MiB?: number;
}

/** The components of a cluster of machines; the images but that of pause have the same layer. */
export const RELEASE_IMAGES = {
  "kube-apiserver": {
    name: `kube-apiserver:${API_LEVEL}`,
    // The default of upstream's; that of `r2k apiserver`, for a part by hand, is loopback.
    words: ["apiserver", "--bind-address=0.0.0.0"],
    semiSpace_MiB: 8,
  },
  "kube-controller-manager": {
    name: `kube-controller-manager:${API_LEVEL}`,
    words: ["controllers"],
    semiSpace_MiB: 4,
  },
  "kube-scheduler": {
    name: `kube-scheduler:${API_LEVEL}`,
    words: ["scheduler", "--secure-port=10259"],
    semiSpace_MiB: 4,
  },
  "kube-proxy": { name: `kube-proxy:${API_LEVEL}`, words: ["proxy"] },
  coredns: { name: `coredns/coredns:${COREDNS_TAG}`, words: ["coredns"] },
  etcd: { name: `etcd:${ETCD_TAG}`, words: ["store"], semiSpace_MiB: 4 },
  // kubeadm pulls it, and other runtimes start each pod with it; ours has no need of an image.
  pause: { name: `pause:${PAUSE_TAG}` },
} as const satisfies Readonly<Record<string, ReleaseImage>>;

export type Component = keyof typeof RELEASE_IMAGES;

/**
 * The image of a component, in another repository without the folder `coredns/`, as kubeadm has it.
 * With a build, its name of that build alone: two builds of one version have the same other names.
 */
export function imageOf(component: Component, repository = IMAGE_REPOSITORY, build = ""): string {
  const suffix = build === "" ? "" : `_r2k.${build}`;
  const { name } = RELEASE_IMAGES[component];
  const short = repository === IMAGE_REPOSITORY ? name : name.replace(/^coredns\//, "");
  return `${repository}/${short}${suffix}`;
}

/** The images of all components, in the order in which kubeadm lists them. */
export function allImages(repository = IMAGE_REPOSITORY, build = ""): string[] {
  return (Object.keys(RELEASE_IMAGES) as Component[]).map((name) =>
    imageOf(name, repository, build),
  );
}
