/** Texts by structure and field; the text of the structure itself stands under "". */
export type Texts = Readonly<Record<string, Readonly<Record<string, string>>>>;
