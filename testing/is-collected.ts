import { collectGarbage } from "@raft2kube/linux/process/collect-garbage.ts";
import { turn } from "@raft2kube/std/slices.ts";

/** Returns whether an object is freed once its maker has returned it and nothing refers to it. */
export async function isCollected(make: () => object): Promise<boolean> {
  const made = weakly(make);
  // A reference that was made in this turn holds until its end.
  await turn();
  collectGarbage(Infinity);
  return made.deref() === undefined;
}

/** Calls the maker on a stack that is gone when it returns. */
const weakly = (make: () => object): WeakRef<object> => new WeakRef(make());
