// Connected parts of a mask, by union and find (after Playne and Hawick, "A New Algorithm for Parallel Connected-
// Component Labelling on GPUs", IEEE TPDS 2018). A label is the index of a part's first pixel, plus one; 0 is no part.

extern "C" __global__ void own_labels(Array mask, Array labels, Array counts, Array edges) {
  PIXEL_OF(labels);
  at<int>(counts, y, x) = at<int>(edges, y, x) = 0;
  const u8* pixels = row<u8>(mask, y);
  int first = x;  // of the run of set pixels, as far as one look goes: so chains stay short
  while (first > 0 && x - first < 64 && pixels[first - 1]) --first;
  at<int>(labels, y, x) = pixels[x] ? y * labels.width + first + 1 : 0;
}

__device__ inline int& label_of(const Array& labels, int label) {
  return at<int>(labels, (label - 1) / labels.width, (label - 1) % labels.width);
}

__device__ inline int root_of(const Array& labels, int label) {
  while (label_of(labels, label) != label) label = label_of(labels, label);
  return label;
}

__device__ inline void join(const Array& labels, int first, int second) {
  while (true) {
    first = root_of(labels, first);
    second = root_of(labels, second);
    if (first == second) return;
    const int low = min(first, second), high = max(first, second);
    const int before = atomicMin(&label_of(labels, high), low);
    if (before == high) return;
    first = low, second = before;  // somebody else joined it meanwhile: join that one too
  }
}

extern "C" __global__ void join_neighbours(Array labels, int diagonal) {
  PIXEL_OF(labels);
  const int own = at<int>(labels, y, x);
  if (!own) return;
  if (x > 0 && at<int>(labels, y, x - 1)) join(labels, own, at<int>(labels, y, x - 1));
  if (y > 0 && at<int>(labels, y - 1, x)) join(labels, own, at<int>(labels, y - 1, x));
  if (!diagonal || y == 0) return;
  if (x > 0 && at<int>(labels, y - 1, x - 1)) join(labels, own, at<int>(labels, y - 1, x - 1));
  if (x + 1 < labels.width && at<int>(labels, y - 1, x + 1)) join(labels, own, at<int>(labels, y - 1, x + 1));
}

// Per part, at its first pixel: how many marks it holds, and whether it touches the picture's edge.
extern "C" __global__ void tally(Array labels, Array marks, Array counts, Array edges) {
  PIXEL_OF(labels);
  int label = at<int>(labels, y, x);
  if (!label) return;
  label = root_of(labels, label);
  if (at<u8>(marks, y, x)) atomicAdd(&label_of(counts, label), 1);
  if (x == 0 || y == 0 || x == labels.width - 1 || y == labels.height - 1) label_of(edges, label) = 1;
}

// 255 on the parts with so many marks; `at_edge`: 1 takes those at the edge too, 0 leaves them out, -1 treats them alike.
extern "C" __global__ void select_parts(Array labels, Array counts, Array edges, Array out, int least, int most,
                                        int at_edge) {
  PIXEL_OF(out);
  int label = at<int>(labels, y, x);
  if (label) {
    label = root_of(labels, label);
    const int marks = label_of(counts, label);
    bool taken = marks >= least && marks <= most;
    if (at_edge >= 0 && label_of(edges, label)) taken = at_edge;
    label = taken;
  }
  at<u8>(out, y, x) = label ? 255 : 0;
}
