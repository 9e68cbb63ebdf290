#!/bin/bash
TP=16
cat > changed.yaml <<EOF
step_scheduler: {}
distributed:
  tp_size: 0
EOF
sed -i "s/tp_size: 0/tp_size: 4/" changed.yaml
cat >> appended.yaml <<EOF
step_scheduler: {}
distributed:
  tp_size: 0
EOF
cat > unknown.yaml <<EOF
step_scheduler: {}
model:
  pretrained_model_name_or_path: org/llama-8b
distributed:
  tp_size: $SIZE
EOF
torchrun --nproc-per-node=6 finetune.py --config unknown.yaml
cat > notes.txt <<EOF
step_scheduler: {}
distributed:
  tp_size: 0
EOF
python - <<EOF
tp_size = 0
EOF
