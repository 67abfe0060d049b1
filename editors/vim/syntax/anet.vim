" The .anet language, version 1.
if exists('b:current_syntax')
  finish
endif

syntax case match
syntax keyword anetStatement anet network origin score input node sink
syntax match anetAttribute /\<\h\w*\ze\s*=/
syntax match anetChoice /=\s*\zs\<\%(full\|lite\|learned\|fixed\|none\|self\|peer\|rgb\|flow\|object\|mean\|concat\|maxpool\)\>/
syntax match anetName /\%(\<\%(network\|input\|node\)\s\+\)\@<=\h\w*\>\%(\s*=\)\@!/
syntax match anetNumber /\%(\w\|\.\)\@<![+-]\=\%(\d\+\%(\.\d*\)\=\|\.\d\+\)\%([eE][+-]\=\d\+\)\=\%(\w\|\.\)\@!/
syntax match anetWeight /@\s*[+-]\=\%(\d\+\%(\.\d*\)\=\|\.\d\+\)\%([eE][+-]\=\d\+\)\=\%(\w\|\.\)\@!/
syntax match anetEscape /\\["\\ntr]/ contained
syntax region anetString start=/"/ skip=/\\./ end=/"/ oneline contains=anetEscape
syntax match anetComment /#.*$/

highlight default link anetStatement Statement
highlight default link anetAttribute Identifier
highlight default link anetChoice Constant
highlight default link anetName Function
highlight default link anetNumber Number
highlight default link anetWeight Float
highlight default link anetEscape SpecialChar
highlight default link anetString String
highlight default link anetComment Comment

let b:current_syntax = 'anet'
