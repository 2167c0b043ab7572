/** The objects that one owner needs in the table; owners may share objects. */
export interface Fragment {
  /** The rules of each chain: lines, of which a text may have several. */
  chains: Map<string, string[]>;
  /** The definition of each set or map, nft's text between the braces. */
  sets: Map<string, string>;
  elements: Element[];
}

/** An element of one of the table's sets and maps. */
export interface Element {
  set: string;
  key: string;
  /** The value in a map; empty in a set. */
  value: string;
}
