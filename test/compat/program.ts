/** Something that users bring, unmodified, and small real uses of it. */
export interface Program {
  readonly name: string;
  readonly version: string;
  /** The programs in `.peers/bin` that it needs; a missing one is brought by `npm run peers`. */
  readonly needs: readonly string[];
  /** Uses in their order; each throws with what it did not see. */
  readonly uses: readonly Use[];
}

export interface Use {
  readonly use: string;
  run(place: Place): Promise<void>;
}

/** The cluster as a program sees it: KUBECONFIG is set. */
export interface Place {
  readonly kubeconfig: string;
  /** Runs a program of `.peers/bin`, or by its path; rejects with its output where it fails. */
  run(program: string, ...args: string[]): Promise<string>;
  kubectl(...args: (string | { readonly input: string })[]): Promise<string>;
  /** `r2k container` on the cluster's node. */
  container(...args: string[]): Promise<string>;
  /** Starts a program that works until the place is left. */
  start(program: string, ...args: string[]): Promise<void>;
}

/** Throws where a text lacks another. */
export function mustHave(text: string, wanted: string): void {
  if (!text.includes(wanted)) throw new Error(`"${wanted}" is missing in: ${text}`);
}

/** Returns the error of a call that must be refused, or that it was taken. */
export function refusal(tried: Promise<string>): Promise<string> {
  return tried.then(
    () => "it was taken",
    (thrown: Error) => thrown.message,
  );
}
