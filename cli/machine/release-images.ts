import { API_LEVEL } from "../version.ts";

/** The registry that kubeadm takes images from. */
export const IMAGE_REPOSITORY = "registry.k8s.io";

/** A component's image: its program has the component's name, in /usr/local/bin. */
export interface ReleaseImage {
  /** A version of its own, as kubeadm of this level writes it; absent: that of the API. */
  readonly tag?: string;
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
  // The default of upstream's; that of `r2k apiserver`, for a part by hand, is loopback.
  "kube-apiserver": { words: ["apiserver", "--bind-address=0.0.0.0"], semiSpace_MiB: 8 },
  "kube-controller-manager": { words: ["controllers"], semiSpace_MiB: 4 },
  "kube-scheduler": { words: ["scheduler", "--secure-port=10259"], semiSpace_MiB: 4 },
  "kube-proxy": { words: ["proxy"] },
  coredns: { tag: "v1.14.2", words: ["coredns"] },
  etcd: { tag: "3.6.8-0", words: ["store"], semiSpace_MiB: 4 },
  // kubeadm pulls it, and other runtimes start each pod with it; ours has no need of an image.
  pause: { tag: "3.10.2" },
} as const satisfies Readonly<Record<string, ReleaseImage>>;

export type Component = keyof typeof RELEASE_IMAGES;

/**
 * The image of a component, in another repository without the folder `coredns/`, as kubeadm has it.
 * With a build, its name of that build alone: two builds of one version have the same other names.
 */
export function imageOf(component: Component, repository = IMAGE_REPOSITORY, build = ""): string {
  const folder = component === "coredns" && repository === IMAGE_REPOSITORY ? "coredns/" : "";
  const { tag = API_LEVEL }: ReleaseImage = RELEASE_IMAGES[component];
  return `${repository}/${folder}${component}:${tag}${build === "" ? "" : `_r2k.${build}`}`;
}

/** The images of all components, in the order in which kubeadm lists them. */
export const allImages = (repository = IMAGE_REPOSITORY, build = ""): string[] =>
  (Object.keys(RELEASE_IMAGES) as Component[]).map((name) => imageOf(name, repository, build));
